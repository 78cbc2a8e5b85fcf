import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getClusterInfo = route({
  method: 'GET',
  path: '/_cluster_info',
  about: 'This node, and the databases that it serves with their buckets and states.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  handle: ({ services: { registry, nodeUid, version } }) => {
    const databases = registry
      .list()
      .map(({ name, bucket, state }) => [name, { bucket, state }] as const);
    return json(200, {
      nodes: { [nodeUid]: { uuid: nodeUid, version } },
      databases: Object.fromEntries(databases),
    });
  },
});
