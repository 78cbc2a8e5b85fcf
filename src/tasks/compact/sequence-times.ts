import { z } from 'zod';
import type { Bucket } from '../../bucket/bucket.ts';
import type { RecordKey } from '../../bucket/records.ts';
import type { Sequence } from '../../document/types.ts';
import { ZERO } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';

/** Of all databases of a bucket: its history is one. */
const RECORD: RecordKey = { kind: 'sequence_times', database: '', id: 'history' };
/** So often it is noted where the history stands. */
export const NOTE_EVERY_MS = 6 * 3600 * 1000;

/** Where the history stood at a time (ms since 1970), the earliest first. */
type Notes = readonly (readonly [ms: number, seq: number])[];

const schema = z.array(z.tuple([z.number(), z.number()]));

/**
 * Notes where the history stands now, where that was not done for a while: history knows no times.
 * `keptMs`: what is older is asked for no more, but for the last one before. Throws what the bucket
 * throws.
 */
export async function noteSequence(bucket: Bucket, nowMs: number, keptMs: number): Promise<void> {
  const { notes, cas } = await read(bucket);
  const newest = notes.at(-1);
  // NOTE: a clock that went back must not keep it from being noted for ever.
  if (newest !== undefined && nowMs >= newest[0] && nowMs - newest[0] < NOTE_EVERY_MS) return;
  const earlier = notes.filter(([ms]) => ms < nowMs);
  const first = earlier.findLastIndex(([ms]) => ms <= nowMs - keptMs);
  const kept = earlier.slice(Math.max(first, 0));
  const value = JSON.stringify([...kept, [nowMs, await bucket.lastSequence()]]);
  // NOTE: where another process was faster, it has noted the same.
  await bucket.commit([{ kind: 'record', record: RECORD, ifCas: cas, value, expiry: 0 }]);
}

/** The last sequence that is known to be from before that time; 0 where none is. */
export async function sequenceBefore(bucket: Bucket, ms: number): Promise<Sequence> {
  const { notes } = await read(bucket);
  const seq = notes.findLast(([at]) => at <= ms)?.[1];
  return seq === undefined ? ZERO : (seq as Sequence);
}

async function read(bucket: Bucket) {
  const stored = await bucket.getRecord(RECORD);
  if (stored === undefined) return { notes: [] as Notes, cas: 'absent' as const };
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (!parsed.success)
    throw new GatewayError('corrupt', 'the record of the times of sequences is unreadable');
  return { notes: parsed.data as Notes, cas: stored.cas };
}
