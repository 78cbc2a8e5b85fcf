import { z } from 'zod';
import { planReportSchema } from '../../tasks/plan/plan-report.ts';
import type { PlanView } from '../../tasks/plan/plan-view.ts';
import type { ResyncView } from '../../tasks/resync/resync-view.ts';
import { GatewayError } from '../../util/errors.ts';
import type { AuditFields } from '../../observability/audit/audit.ts';
import type { Answer } from '../answer.ts';
import type { Told } from '../audited-answer.ts';
import { json } from '../answer.ts';
import { noBody, optionalJsonBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

const taskStatus = z.enum(['running', 'stopping', 'stopped', 'completed', 'error']);
const byScope = z.record(z.string(), z.array(z.string()));
const errors = z.array(z.object({ collection: z.string(), id: z.string(), message: z.string() }));

const status = z.object({
  status: taskStatus,
  start_time: z.string(),
  last_error: z.string(),
  resync_id: z.string(),
  docs_changed: z.int(),
  docs_processed: z.int(),
  docs_errored: z.int(),
  docs_targeted: z.int(),
  online: z.literal(true).optional(),
  collections_processing: byScope.optional(),
});

const details = status.extend({
  docs_per_second: z.number().optional(),
  seconds_left: z.number().optional(),
  docs_routed_by_older_functions: z.int().optional(),
  errors: errors.optional(),
  nodes: z.array(z.string()).optional(),
});

const plan = z.object({
  status: taskStatus,
  start_time: z.string(),
  last_error: z.string(),
  plan_id: z.string(),
  docs_targeted: z.int(),
  docs_processed: z.int(),
  docs_changed: z.int(),
  docs_errored: z.int(),
  errors,
  docs_per_second: z.number().optional(),
  seconds_left: z.number().optional(),
  collections_processing: byScope.optional(),
  report: planReportSchema.optional(),
});

const asked = z.object({
  scopes: byScope.nullish(),
  regenerate_sequences: z.boolean().nullish(),
  online: z.boolean().nullish(),
  sync: z.string().nullish(),
  functions: z.record(z.string(), z.string()).nullish(),
});

export const getResync = route({
  method: 'GET',
  path: '/{db}/_resync',
  about:
    'Where the resync of a database stands, on all nodes together; `verbose=true`: also its rate, ' +
    'the documents on which the function breaks, and how many are routed by older functions. ' +
    '`action=plan`: where the last plan stands, and what it found.',
  access: 'admin',
  whileOffline: true,
  query: z.object({
    verbose: lenientFlag,
    action: z.literal('plan', 'must be plan, or left out').optional(),
  }),
  body: noBody,
  answers: { 200: jsonContent(z.union([details, plan])) },
  handle: async ({ database, query, services }) => {
    const { resyncs, plans } = services.tasks;
    const served = services.registry.served(database.name);
    if (query.action === 'plan') return answer(await plans.status(served));
    const view = await resyncs.status(served);
    if (query.verbose !== true) return answer(view);
    return json(200, { ...view, ...(await resyncs.details(served)) });
  },
  audit: ({ query }) => (query.action === 'plan' ? [] : [{ event: 'resyncRead' }]),
});

export const postResync = route({
  method: 'POST',
  path: '/{db}/_resync',
  about:
    'Runs the stored documents of a database through their sync functions: as they are configured ' +
    'now, or those of the body, which are configured first (`action=start`). The database is ' +
    'offline, or serves meanwhile (`online`). `action=stop`: stops that, or with `plan=true` a ' +
    'plan. `action=plan`: only finds out what would change. `action=undo`: runs the functions ' +
    'from before the last resync.',
  access: 'admin',
  whileOffline: true,
  query: z.object({
    action: z
      .enum(['start', 'stop', 'plan', 'undo'], 'must be start, stop, plan or undo')
      .optional(),
    reset: lenientFlag,
    regenerate_sequences: lenientFlag,
    plan: lenientFlag,
  }),
  body: optionalJsonBody(asked),
  answers: { 200: jsonContent(z.union([status, plan])) },
  refuses: ['unavailable', 'conflict'],
  handle: async ({ database, query, body, services }) => {
    const { resyncs, plans } = services.tasks;
    const served = services.registry.served(database.name);
    const reset = query.reset === true;
    const collections = {
      scopes: body?.scopes ?? undefined,
      sync: body?.sync ?? undefined,
      functions: body?.functions ?? undefined,
    };
    switch (query.action) {
      case 'stop':
        return answer(await (query.plan === true ? plans : resyncs).stop(served));
      case 'plan':
        return answer(await plans.start(served, { ...collections, reset }));
      case 'undo':
        if (Object.values(collections).some((given) => given !== undefined))
          throw new GatewayError('badRequest', 'undo takes back the last resync as it was run');
        return answer(await resyncs.undo(served, { online: body?.online ?? undefined }));
      default: {
        const regenerateSequences =
          query.regenerate_sequences === true || body?.regenerate_sequences === true;
        const online = body?.online === true;
        const request = { ...collections, regenerateSequences, reset, online };
        return answer(await resyncs.start(served, request));
      }
    }
  },
  audit: ({ query, body }) => {
    const regenerate = query.regenerate_sequences === true || body?.regenerate_sequences === true;
    const fields = {
      collections: body?.scopes ?? {},
      regenerate_sequences: regenerate,
      reset: query.reset === true,
    };
    const functions = { sync: body?.sync ?? undefined, functions: body?.functions ?? undefined };
    return resyncTold(query, fields, functions);
  },
});

/** A plan changes nothing; what functions a resync brings, or takes back, is configured by it. */
function resyncTold(
  query: { readonly action?: string | undefined; readonly plan?: boolean | undefined },
  fields: AuditFields,
  functions: AuditFields,
): readonly Told[] {
  if (query.action === 'plan' || query.plan === true) return [];
  if (query.action === 'stop') return [{ event: 'resyncStopped' }];
  const sent = query.action === 'undo' ? { undo: true } : functions;
  const payload = JSON.stringify(sent);
  return [
    ...(payload === '{}' ? [] : [{ event: 'updateDatabaseConfig', fields: { payload } } as const]),
    { event: 'resyncStarted', fields },
  ];
}

function answer(view: ResyncView | PlanView): Answer {
  return json(200, view);
}
