import { z } from 'zod';
import { parseRevId } from '../../document/rev-id.ts';
import { json } from '../answer.ts';
import { jsonBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { jsonContent } from '../content.ts';

const diff = z.object({
  missing: z.array(z.string()),
  possible_ancestors: z.array(z.string()).optional(),
});

export const postRevsDiff = route({
  method: 'POST',
  path: '/{keyspace}/_revs_diff',
  about: 'Which of the revisions are missing here, and what they may come from.',
  access: 'reader',
  query: noQuery,
  body: jsonBody(z.record(z.string(), z.array(z.string()))),
  answers: { 200: jsonContent(z.record(z.string(), diff)) },
  handle: async ({ collection, body }) => {
    const asked = Object.entries(body).map(([id, revs]) => [id, revs.map(parseRevId)] as const);
    const diffs = await collection.revsDiff(new Map(asked));
    const rows = Array.from(diffs, ([id, { missing, possibleAncestors }]) => [
      id,
      {
        missing,
        ...(possibleAncestors.length === 0 ? {} : { possible_ancestors: possibleAncestors }),
      },
    ]);
    return json(200, Object.fromEntries(rows));
  },
});
