import { z } from 'zod';
import { json } from '../answer.ts';
import { jsonBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { jsonContent } from '../content.ts';

/** The one list of revisions that can be purged. */
const ALL_REVISIONS = '["*"]';

export const postPurge = route({
  method: 'POST',
  path: '/{keyspace}/_purge',
  about: 'Removes documents for good: `{"id": ["*"]}`. Everything else in the body is passed over.',
  access: 'admin',
  query: noQuery,
  body: jsonBody(z.record(z.string(), z.unknown())),
  answers: { 200: jsonContent(z.object({ purged: z.record(z.string(), z.array(z.string())) })) },
  handle: async ({ collection, body, signal }) => {
    const ids = Object.keys(body).filter((id) => JSON.stringify(body[id]) === ALL_REVISIONS);
    const purged = await collection.tools.purge(ids, signal);
    return json(200, { purged: Object.fromEntries(purged.map((id) => [id, ['*']])) });
  },
});
