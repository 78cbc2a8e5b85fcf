import { z } from 'zod';
import type { ResyncView } from '../../tasks/resync/resync-view.ts';
import type { Answer } from '../answer.ts';
import { json } from '../answer.ts';
import { noBody, optionalJsonBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

const status = z.object({
  status: z.enum(['running', 'stopping', 'stopped', 'completed', 'error']),
  start_time: z.string(),
  last_error: z.string(),
  resync_id: z.string(),
  docs_changed: z.int(),
  docs_processed: z.int(),
  docs_errored: z.int(),
  docs_targeted: z.int(),
  collections_processing: z.record(z.string(), z.array(z.string())).optional(),
});

const details = status.extend({
  docs_per_second: z.number().optional(),
  seconds_left: z.number().optional(),
  docs_routed_by_older_functions: z.int().optional(),
  errors: z
    .array(z.object({ collection: z.string(), id: z.string(), message: z.string() }))
    .optional(),
  nodes: z.array(z.string()).optional(),
});

const asked = z.object({
  scopes: z.record(z.string(), z.array(z.string())).nullish(),
  regenerate_sequences: z.boolean().nullish(),
});

export const getResync = route({
  method: 'GET',
  path: '/{db}/_resync',
  about:
    'Where the resync of a database stands, on all nodes together; `verbose=true`: also its rate, ' +
    'the documents on which the function breaks, and how many are routed by older functions.',
  access: 'admin',
  whileOffline: true,
  query: z.object({ verbose: lenientFlag }),
  body: noBody,
  answers: { 200: jsonContent(details) },
  handle: async ({ database, query, services }) => {
    const { resyncs } = services.tasks;
    const served = services.registry.served(database.name);
    const view = await resyncs.status(served);
    if (query.verbose !== true) return answer(view);
    return json(200, { ...view, ...(await resyncs.details(served)) });
  },
});

export const postResync = route({
  method: 'POST',
  path: '/{db}/_resync',
  about:
    'Runs the stored documents of an offline database through their sync functions as they are ' +
    'configured now (`action=start`), or stops that (`action=stop`).',
  access: 'admin',
  whileOffline: true,
  query: z.object({
    action: z.enum(['start', 'stop'], 'must be start or stop').optional(),
    reset: lenientFlag,
    regenerate_sequences: lenientFlag,
  }),
  body: optionalJsonBody(asked),
  answers: { 200: jsonContent(status) },
  refuses: ['unavailable'],
  handle: async ({ database, query, body, services }) => {
    const { resyncs } = services.tasks;
    const served = services.registry.served(database.name);
    if (query.action === 'stop') return answer(await resyncs.stop(served));
    const regenerateSequences =
      query.regenerate_sequences === true || body?.regenerate_sequences === true;
    const request = {
      scopes: body?.scopes ?? undefined,
      regenerateSequences,
      reset: query.reset === true,
    };
    return answer(await resyncs.start(served, request));
  },
});

function answer(view: ResyncView): Answer {
  return json(200, view);
}
