import { z } from 'zod';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { lenientFlag } from '../query.ts';
import { route } from '../route.ts';

const status = z.object({
  status: z.enum(['running', 'stopping', 'stopped', 'completed', 'error']),
  start_time: z.string(),
  last_error: z.string(),
  docs_purged: z.int(),
});

/** NOTE: there is nothing to do for the attachments of the reference: see `about`. */
const type = z
  .literal('tombstone', 'must be tombstone: attachments that nothing refers to go by themselves')
  .optional();

export const getCompact = route({
  method: 'GET',
  path: '/{db}/_compact',
  about: 'Where the removal of old tombstones stands, on all nodes together.',
  access: 'admin',
  query: z.object({ type }),
  body: noBody,
  answers: { 200: jsonContent(status) },
  handle: async ({ database, services }) =>
    json(200, await services.tasks.compactions.status(services.registry.served(database.name))),
});

export const postCompact = route({
  method: 'POST',
  path: '/{db}/_compact',
  about:
    'Removes tombstones that are older than 30 days (`action=start`), or stops that ' +
    '(`action=stop`). Attachments that nothing refers to are removed without being asked.',
  access: 'admin',
  query: z.object({
    type,
    action: z.enum(['start', 'stop'], 'must be start or stop').optional(),
    reset: lenientFlag,
  }),
  body: noBody,
  answers: { 200: jsonContent(status) },
  refuses: ['unavailable'],
  handle: async ({ database, query, services }) => {
    const { compactions } = services.tasks;
    const served = services.registry.served(database.name);
    if (query.action === 'stop') return json(200, await compactions.stop(served));
    return json(200, await compactions.start(served, { reset: query.reset === true }));
  },
});
