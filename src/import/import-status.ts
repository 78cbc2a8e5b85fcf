import { z } from 'zod';
import type { ServingDatabase } from '../database/companion.ts';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { Clock } from '../util/clock.ts';
import { nextTurn } from '../util/next-turn.ts';
import { importNodes } from './partition-leases.ts';
import { partitionOf } from './partitions.ts';

/** Documents that wait, or are refused, are counted up to here. */
const COUNT_MAX = 10_000;

const node = z.object({
  node: z.string(),
  this_node: z.boolean(),
  partitions: z.number(),
});

export const importStatus = z.object({
  enabled: z.boolean().meta({ description: '`enable_shared_bucket_access`.' }),
  import_docs: z.boolean().meta({ description: 'Whether this node takes part.' }),
  backlog: z.number().meta({ description: `Written and not looked at yet, up to ${COUNT_MAX}.` }),
  oldest: z.string().optional().meta({ description: 'When the first of them was written.' }),
  lag_secs: z.number(),
  rejected: z.number().meta({ description: `Not taken in, up to ${COUNT_MAX}.` }),
  recheck: z
    .object({ reason: z.string(), since: z.string() })
    .optional()
    .meta({ description: 'Why every document of the bucket is being looked at again.' }),
  imported: z.number().meta({ description: 'By this node, as the next three, since its start.' }),
  errors: z.number(),
  cancelled: z.number(),
  processed: z.number(),
  nodes: z.array(node),
  partitions: z.array(
    z.object({ partition: z.number(), node: z.string().optional(), backlog: z.number() }),
  ),
});

/** What waits to be taken in. */
export interface ImportLag {
  readonly documents: number;
  /** When the first of them was written, ms since 1970; undefined for none. */
  readonly oldestMs: number | undefined;
}

/** Of all collections of a database. Throws what the bucket throws. */
export async function importLag({
  bucket,
  collections,
}: Pick<ServingDatabase, 'bucket' | 'collections'>): Promise<ImportLag> {
  let documents = 0;
  let oldestMs: number | undefined;
  for (const { id } of collections.values()) {
    const backlog = await bucket.foreignWrites.backlog(id, COUNT_MAX);
    documents += backlog.count;
    if (backlog.oldestMs !== undefined)
      oldestMs = Math.min(oldestMs ?? backlog.oldestMs, backlog.oldestMs);
  }
  return { documents, oldestMs };
}

/** Seconds since the first of what waits was written. */
export function lagSecs({ oldestMs }: ImportLag, clock: Clock): number {
  return oldestMs === undefined ? 0 : Math.max(0, Math.round((clock.now() - oldestMs) / 1000));
}

/** Where the import of a database stands. Throws what the bucket throws. */
export async function readImportStatus(
  serving: ServingDatabase,
  clock: Clock,
): Promise<z.infer<typeof importStatus>> {
  const { bucket, member, config, collections, observer } = serving;
  const { database, metrics } = observer;
  const lag = await importLag(serving);
  const recheck = await bucket.foreignWrites.recheck();
  const { nodes, holders } = await importNodes({
    bucket,
    database: serving.name,
    count: config.import_partitions,
  });
  const waiting = await backlogs(serving);
  let rejected = 0;
  for (const { id } of collections.values())
    rejected += await bucket.foreignWrites.countRejected(id, COUNT_MAX);
  return {
    enabled: config.enable_shared_bucket_access,
    import_docs: importsAsWritten(serving),
    backlog: Math.min(lag.documents, COUNT_MAX),
    ...(lag.oldestMs === undefined ? {} : { oldest: new Date(lag.oldestMs).toISOString() }),
    lag_secs: lagSecs(lag, clock),
    rejected: Math.min(rejected, COUNT_MAX),
    ...(recheck === undefined
      ? {}
      : { recheck: { reason: recheck.reason, since: new Date(recheck.sinceMs).toISOString() } }),
    imported: metrics.value('import_count', database),
    errors: metrics.value('import_error_count', database),
    cancelled: metrics.value('import_cancel_cas', database),
    processed: metrics.value('import_feed_processed_count', database),
    nodes: nodes.map((id) => ({
      node: id,
      this_node: id === member.nodeId,
      partitions: [...holders.values()].filter((holder) => holder === id).length,
    })),
    partitions: waiting.map((backlog, partition) => {
      const holder = holders.get(partition);
      return { partition, ...(holder === undefined ? {} : { node: holder }), backlog };
    }),
  };
}

/** Whether this node takes part in the import of what is written. */
export function importsAsWritten({ config }: Pick<ServingDatabase, 'config'>): boolean {
  return config.enable_shared_bucket_access && config.import_docs !== false;
}

/** Of each partition, of the first COUNT_MAX documents of each collection. */
async function backlogs({
  bucket,
  config,
  collections,
}: ServingDatabase): Promise<readonly number[]> {
  const counts = Array.from({ length: config.import_partitions }, () => 0);
  for (const { id } of collections.values()) {
    for (let after = 0, seen = 0; seen < COUNT_MAX; seen += BATCH_MAX) {
      const page = await bucket.foreignWrites.list(id, { after, limit: BATCH_MAX });
      for (const { key, position } of page) {
        const partition = partitionOf(key, counts.length);
        counts[partition] = (counts[partition] ?? 0) + 1;
        after = position;
      }
      if (page.length < BATCH_MAX) break;
      await nextTurn();
    }
  }
  return counts;
}
