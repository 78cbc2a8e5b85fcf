import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

const answer = z.object({ instance_start_time: z.int(), ok: z.literal(true) });

export const postEnsureFullCommit = route({
  method: 'POST',
  path: '/{db}/_ensure_full_commit',
  about: 'For CouchDB clients: what was acknowledged is durable already.',
  access: 'reader',
  query: noQuery,
  body: noBody,
  answers: { 201: jsonContent(answer) },
  handle: async ({ database }) => {
    const { startedMs } = await database.status();
    return json(201, { instance_start_time: startedMs * 1000, ok: true });
  },
});
