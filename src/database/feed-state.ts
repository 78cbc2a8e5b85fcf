import type { Cas, Sequence } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { OpenBucket } from './open-buckets.ts';

/** Whether the changes of a bucket are followed. */
export type FeedState =
  | { readonly state: 'following' }
  /**
   * `retrying`: it is tried again and again, with growing pauses; `lost`: given up, until the
   * database is brought online.
   */
  | ({ readonly state: 'retrying' | 'lost' } & FeedTrouble);

export interface FeedTrouble {
  readonly reason: string;
  /** ms since 1970. */
  readonly sinceMs: number;
  /** Only writes fail, for another process's lock: reads and feeds go on. */
  readonly onlyWrites: boolean;
}

/** How far what is told to readers is behind what is stored. */
export interface FeedLag {
  /** Undefined where the bucket cannot be asked. */
  readonly sequences: number | undefined;
  readonly secs: number;
}

/**
 * What is wrong with the feed of a bucket: it cannot be read, or the bucket cannot be written for a
 * lock. Undefined where nothing is.
 */
export function feedTroubleOf({ bucket, cache }: OpenBucket): FeedTrouble | undefined {
  const { trouble } = bucket;
  const { lost } = cache;
  if (trouble === undefined) return lost && { ...lost, onlyWrites: false };
  const { reason, sinceMs, kind } = trouble;
  if (lost === undefined) return { reason, sinceMs, onlyWrites: kind === 'locked' };
  // NOTE: since when it cannot be read, where the lock alone was there before.
  const since = kind === 'locked' ? lost.sinceMs : Math.min(sinceMs, lost.sinceMs);
  return { reason, sinceMs: since, onlyWrites: false };
}

export function feedLagOf(
  { cache }: OpenBucket,
  { last, nowMs }: { readonly last: Sequence | undefined; readonly nowMs: number },
): FeedLag {
  const { lost, caughtUpTo } = cache;
  return {
    sequences: last === undefined ? undefined : Math.max(0, last - caughtUpTo),
    secs: lost === undefined ? 0 : Math.round((nowMs - lost.sinceMs) / 1000),
  };
}

/** No record has ever had it: a change that states it takes the store's lock, and does nothing. */
const NEVER = -1 as Cas;

/** Throws `unavailable` where a bucket cannot be read, or not be written at this moment. */
export async function requireUsable({ bucket, cache }: OpenBucket): Promise<void> {
  const record = { kind: 'probe', database: '', id: '' };
  await bucket.commit([{ kind: 'record', record, ifCas: NEVER, value: null, expiry: 0 }]);
  await bucket.lastSequence();
  const { trouble } = bucket;
  if (trouble !== undefined) throw new GatewayError('unavailable', trouble.reason);
  cache.retryNow();
}
