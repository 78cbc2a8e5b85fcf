import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const postEnsureFullCommit = route({
  method: 'POST',
  path: '/{db}/_ensure_full_commit',
  about: 'For CouchDB clients: what was acknowledged is durable already.',
  access: 'reader',
  query: noQuery,
  body: noBody,
  handle: async ({ database }) => {
    const { startedMs } = await database.status();
    return json(201, { instance_start_time: startedMs * 1000, ok: true });
  },
});
