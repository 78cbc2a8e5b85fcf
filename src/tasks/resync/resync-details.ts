import { collectionsOf } from '../../config/scopes.ts';
import { routedByOlderUpTo } from '../../database/function-history.ts';
import type { OpenBucket } from '../../database/open-buckets.ts';
import { functionRecord, sourceOf } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import type { TaskError, TaskState } from '../task-state.ts';
import type { TaskTotals } from '../task-store.ts';

/** What is told of a resync to who asks for more than the reference tells. */
export interface ResyncDetails {
  readonly docs_per_second?: number;
  readonly seconds_left?: number;
  /** Counted to OLDER_COUNTED_MAX in each collection. */
  readonly docs_routed_by_older_functions: number;
  readonly errors: readonly TaskError[];
  /** Nodes that share the bucket. */
  readonly nodes: readonly string[];
}

/** Some milliseconds' count. */
const OLDER_COUNTED_MAX = 100_000;

export async function resyncDetails(
  served: ServedDatabase,
  { bucket, member }: OpenBucket,
  run:
    | { readonly state: TaskState; readonly totals: TaskTotals; readonly nowMs: number }
    | undefined,
): Promise<ResyncDetails> {
  let older = 0;
  for (const collection of collectionsOf(served.current.config)) {
    const { fullName } = collection;
    const of = functionRecord(served.current.metadataId, fullName);
    const upTo = await routedByOlderUpTo(bucket, of, sourceOf(collection));
    if (upTo === 0) continue;
    const id = await bucket.openCollection(fullName);
    older += await bucket.countUnchangedSince(id, upTo, OLDER_COUNTED_MAX);
  }
  return {
    ...(run?.state.status === 'running' ? pace(run.state, run.totals, run.nowMs) : {}),
    docs_routed_by_older_functions: older,
    errors: run?.totals.errors ?? [],
    nodes: await member.nodes(),
  };
}

/** How fast it goes, and how long it still takes. */
export function pace(
  { targeted, goingSince }: TaskState,
  { counts }: TaskTotals,
  nowMs: number,
): Pick<ResyncDetails, 'docs_per_second' | 'seconds_left'> {
  const seconds = Math.max(nowMs - goingSince.ms, 1) / 1000;
  const perSecond = (counts.processed - goingSince.processed) / seconds;
  if (perSecond <= 0) return { docs_per_second: 0 };
  const left = Math.max(targeted - counts.processed, 0);
  return {
    docs_per_second: Math.round(perSecond),
    seconds_left: Math.ceil(left / perSecond),
  };
}
