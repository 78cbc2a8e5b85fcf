import { z } from 'zod';
import type { DocId } from '../document/types.ts';
import type { ImportingContext } from '../database/prepare-import.ts';

/** By which rules what is refused was looked at. */
const done = z.object({ rules: z.number(), bytesMax: z.number() });

/**
 * Puts what older rules refused back into the queue, once for each version of the rules: until that
 * is done it is begun anew, by whichever node. What can be no document is looked at again where
 * longer ones may be some by now. Throws what the bucket throws.
 */
export async function requeueRejected(
  { bucket, id, imports }: ImportingContext,
  signal: AbortSignal,
): Promise<void> {
  const { record: rules, cas } = imports.version;
  const { bytesMax } = imports;
  const record = { ...rules, kind: `${rules.kind}:requeued` };
  const value = JSON.stringify({ rules: cas, bytesMax } satisfies z.infer<typeof done>);
  const before = (await bucket.getRecord(record))?.value;
  if (before === value) return;
  const unfit = before === undefined || bytesMax > bytesMaxIn(before);
  let after: DocId | undefined;
  do {
    after = await bucket.foreignWrites.queueRejected(id, { after, unfit });
  } while (after !== undefined && !signal.aborted);
  if (signal.aborted) return;
  await bucket.commit([{ kind: 'record', record, value, expiry: 0 }]);
}

/** Of a record of an older form nothing is known: it may have been any. */
function bytesMaxIn(value: string): number {
  const read = done.safeParse(JSON.parse(value));
  return read.success ? read.data.bytesMax : 0;
}
