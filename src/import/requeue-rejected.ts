import type { DocId } from '../document/types.ts';
import type { ImportingContext } from '../database/prepare-import.ts';

/**
 * Puts what older rules refused back into the queue, once for each version of the rules: until that
 * is done it is begun anew, by whichever node. Throws what the bucket throws.
 */
export async function requeueRejected(
  { bucket, id, imports }: ImportingContext,
  signal: AbortSignal,
): Promise<void> {
  const { record: rules, cas } = imports.version;
  const record = { ...rules, kind: `${rules.kind}:requeued` };
  const value = String(cas);
  if ((await bucket.getRecord(record))?.value === value) return;
  let after: DocId | undefined;
  do {
    after = await bucket.foreignWrites.queueRejected(id, after);
  } while (after !== undefined && !signal.aborted);
  if (signal.aborted) return;
  await bucket.commit([{ kind: 'record', record, value, expiry: 0 }]);
}
