import type { Database } from '../../database/database.ts';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { COMPATIBLE_VERSION, productOf, VENDOR_NAME } from '../product.ts';
import type { RestServices } from '../rest-services.ts';
import { route } from '../route.ts';
import { bucketsInTroubleAnswer, stateAnswer } from '../state-answer.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { bucketInTrouble, databaseState } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

const answer = z.object({
  databases: z.record(z.string(), databaseState.extend({ seq: z.int() }).loose()),
  buckets_in_trouble: z.array(bucketInTrouble).optional(),
  version: z.string(),
  vendor: z.object({ name: z.string(), version: z.string() }),
  node_uid: z.string(),
  cluster_compat_version: z.string(),
});

export const getStatus = route({
  method: 'GET',
  path: '/_status',
  about: 'Every database with its state, its newest sequence and its replications.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(answer) },
  handle: async ({ services }) => {
    const { registry, version, settings, nodeUid } = services;
    const product = productOf(version, settings.hideProductVersion);
    const databases: Record<string, unknown> = {};
    for (const { name } of registry.list()) {
      const database = registry.get(name);
      if (database !== undefined) databases[name] = await statusOf(database, services);
    }
    const buckets = bucketsInTroubleAnswer(registry);
    return json(200, {
      databases,
      ...(buckets.length === 0 ? {} : { buckets_in_trouble: buckets }),
      version: product.full,
      vendor: { name: VENDOR_NAME, version: product.vendorVersion },
      node_uid: nodeUid,
      cluster_compat_version: COMPATIBLE_VERSION,
    });
  },
});

async function statusOf(
  database: Database,
  { nodeUid, registry }: RestServices,
): Promise<Readonly<Record<string, unknown>>> {
  const { updateSequence, lag } = await database.status();
  const served = registry.served(database.name);
  const requireResync = await served.requireResync();
  return {
    seq: updateSequence,
    server_uuid: nodeUid,
    ...stateAnswer(served, { port: 'admin', lag, requireResync }),
    require_resync: requireResync,
    replication_status: [],
    cluster: {
      cluster_uuid: nodeUid,
      replications: {},
      nodes: database.state === 'Online' ? { [nodeUid]: { uuid: nodeUid } } : {},
    },
  };
}
