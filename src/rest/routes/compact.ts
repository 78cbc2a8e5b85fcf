import { z } from 'zod';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

const standing = {
  status: z.enum(['running', 'stopping', 'stopped', 'completed', 'error']),
  start_time: z.string(),
  last_error: z.string(),
  dry_run: z.literal(true).optional(),
};

const status = z.union([
  z.object({ ...standing, docs_purged: z.int() }),
  z.object({
    ...standing,
    marked_attachments: z.int(),
    purged_attachments: z.int(),
    compact_id: z.string(),
    phase: z.enum(['mark', 'sweep']).optional(),
  }),
]);

const type = z
  .enum(['tombstone', 'attachment'], 'must be tombstone or attachment')
  .default('tombstone');

export const getCompact = route({
  method: 'GET',
  path: '/{db}/_compact',
  about: 'Where the removal of old tombstones or of attachments stands, on all nodes together.',
  access: 'admin',
  query: z.object({ type }),
  body: noBody,
  answers: { 200: jsonContent(status) },
  handle: async ({ database, query, services }) => {
    const served = services.registry.served(database.name);
    return json(200, await services.tasks.compactions.status(served, query.type));
  },
  audit: ({ query }) => [{ event: 'compactionRead', fields: { type: query.type } }],
});

export const postCompact = route({
  method: 'POST',
  path: '/{db}/_compact',
  about:
    'Removes tombstones that are older than 30 days, or attachments that nothing refers to ' +
    '(`action=start`), or stops that (`action=stop`).',
  access: 'admin',
  query: z.object({
    type,
    action: z.enum(['start', 'stop'], 'must be start or stop').optional(),
    reset: lenientFlag,
    dry_run: lenientFlag,
  }),
  body: noBody,
  answers: { 200: jsonContent(status) },
  refuses: ['unavailable'],
  handle: async ({ database, query, services }) => {
    const { compactions } = services.tasks;
    const served = services.registry.served(database.name);
    if (query.action === 'stop') return json(200, await compactions.stop(served, query.type));
    const asked = { reset: query.reset === true, dryRun: query.dry_run === true };
    return json(200, await compactions.start(served, { type: query.type, ...asked }));
  },
  audit: ({ query: { type: of, action, reset, dry_run } }) =>
    action === 'stop'
      ? [{ event: 'compactionStopped', fields: { type: of } }]
      : [{ event: 'compactionStarted', fields: { type: of, reset, dry_run } }],
});
