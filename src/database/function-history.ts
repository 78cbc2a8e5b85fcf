import { z } from 'zod';
import type { Bucket } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { Cas, Sequence } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import { routingIsWhole } from './collection-routing.ts';

/**
 * From where on a sync function holds: every document with a later sequence was routed by it, an
 * earlier one perhaps by an older function, until a resync has run over the collection. So nothing
 * has to be noted with a write.
 */
export interface FunctionSpan {
  /** The version of the function. */
  readonly cas: Cas;
  /** The end of the history when it came. */
  readonly seq: Sequence;
  /** Whether a resync has run it over everything since. */
  readonly resynced: boolean;
}

const schema = z.object({ cas: z.number(), seq: z.number(), resynced: z.boolean() });

/** For a function that was just stored and still rules. Throws what the bucket throws. */
export async function functionStored(bucket: Bucket, of: RecordKey, cas: Cas): Promise<void> {
  await store(bucket, of, { cas, seq: await bucket.lastSequence(), resynced: false });
}

/** A resync has run this version over all documents of its collection, where it still rules. */
export async function functionResynced(bucket: Bucket, of: RecordKey, cas: Cas): Promise<void> {
  const seq = (await readSpan(bucket, of))?.seq ?? (await bucket.lastSequence());
  if (await store(bucket, of, { cas, seq, resynced: true }))
    await routingIsWhole(bucket, of.database, of.id);
}

/**
 * How far the documents of a collection may have been routed by older functions than this one; 0:
 * none is. `source`: of the function as it is configured.
 */
export async function routedByOlderUpTo(
  bucket: Bucket,
  of: RecordKey,
  source: string,
): Promise<Sequence> {
  const stored = await bucket.getRecord(of);
  if (stored === undefined || stored.value !== functionValue(source)) return bucket.lastSequence();
  const span = await readSpan(bucket, of);
  if (span?.cas !== stored.cas) return bucket.lastSequence();
  return span.resynced ? NONE : span.seq;
}

/** The record of a function. */
export function functionValue(source: string): string {
  return JSON.stringify({ source });
}

const NONE = 0 as Sequence;
const spanKey = (of: RecordKey): RecordKey => ({ ...of, kind: 'function_span' });

async function readSpan(bucket: Bucket, of: RecordKey): Promise<FunctionSpan | undefined> {
  const stored = await bucket.getRecord(spanKey(of));
  if (stored === undefined) return undefined;
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (!parsed.success)
    throw new GatewayError('corrupt', `the record of the function of ${of.id} is unreadable`);
  return { ...parsed.data, cas: parsed.data.cas as Cas, seq: parsed.data.seq as Sequence };
}

/** False where another function rules by now, of which a process that was paused knows nothing. */
async function store(bucket: Bucket, of: RecordKey, span: FunctionSpan): Promise<boolean> {
  const ifRecord = { record: of, cas: span.cas };
  const value = JSON.stringify(span);
  const [result] = await bucket.commit([
    { kind: 'record', record: spanKey(of), ifRecord, value, expiry: 0 },
  ]);
  return result?.ok === true;
}
