import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

const answer = z.object({
  nodes: z.record(z.string(), z.object({ uuid: z.string(), version: z.string() })),
  databases: z.record(z.string(), z.object({ bucket: z.string(), state: z.string() })),
});

export const getClusterInfo = route({
  method: 'GET',
  path: '/_cluster_info',
  about: 'This node, and the databases that it serves with their buckets and states.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(answer) },
  handle: ({ services: { registry, nodeUid, version } }) => {
    const databases = registry
      .list()
      .map(({ name, bucket, state }) => [name, { bucket, state }] as const);
    return json(200, {
      nodes: { [nodeUid]: { uuid: nodeUid, version } },
      databases: Object.fromEntries(databases),
    });
  },
  audit: () => [{ event: 'clusterInfoRead' }],
});
