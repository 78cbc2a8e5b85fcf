import type { CommitResult, StoredDocument } from '../bucket/bucket.ts';
import type { ForeignWrite, TakenChange } from '../bucket/foreign-writes.ts';
import type { Lease } from '../bucket/leases.ts';
import { isForeign } from '../database/foreign-content.ts';
import { importSettled } from '../database/import-document.ts';
import type { ImportingContext, PreparedImport } from '../database/prepare-import.ts';
import { prepareImport, refusal } from '../database/prepare-import.ts';
import { importFed } from '../observability/import-events.ts';
import { must } from '../util/assert.ts';
import { isGatewayError } from '../util/errors.ts';
import { nextTurn } from '../util/next-turn.ts';

/** An entry of the queue that is this node's to look at. */
export interface QueuedDocument {
  readonly entry: ForeignWrite;
  /** Of its partition. */
  readonly lease: Lease;
}

/** What a batch holds of a document. */
interface ReadDocument extends QueuedDocument {
  readonly stored: StoredDocument | undefined;
}

type Prepared = PreparedImport | { readonly kind: 'done'; readonly change: TakenChange };

export interface PreparedDocument {
  readonly entry: ForeignWrite;
  readonly prepared: Prepared;
}

/** Characters of their bodies; one more document may go past it. */
const BATCH_CHARS = 4 * 1024 * 1024;
/** Documents that are looked at before others have their turn. */
const STEPS_A_TURN = 25;

/**
 * Reads queued documents a batch at a time: never more bodies than those of one are held. `size`:
 * of how many documents the next batch is.
 */
export async function* readBatches(
  { bucket, id }: ImportingContext,
  documents: readonly QueuedDocument[],
  size: () => number,
): AsyncGenerator<readonly ReadDocument[]> {
  let batch: ReadDocument[] = [];
  let chars = 0;
  for (const document of documents) {
    // NOTE: one by one, since nobody knows how large the next one is.
    const stored = await bucket.get(id, document.entry.key);
    batch.push({ ...document, stored });
    chars += stored?.body?.length ?? 0;
    if (batch.length % STEPS_A_TURN === 0) await nextTurn();
    if (batch.length < size() && chars < BATCH_CHARS) continue;
    yield batch;
    batch = [];
    chars = 0;
  }
  if (batch.length > 0) yield batch;
}

/**
 * Decides about each document of a batch; undefined where `signal` aborts before functions have
 * judged them all. Throws `unavailable`.
 */
export async function prepareBatch(
  context: ImportingContext,
  batch: readonly ReadDocument[],
  signal: AbortSignal,
): Promise<readonly PreparedDocument[] | undefined> {
  const preparing = Promise.all(batch.map((document) => prepareOne(context, document)));
  // NOTE: what is given up goes on in the sandbox, to its limits; nobody is told of its end.
  preparing.catch(() => undefined);
  return unlessAborted(preparing, signal);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const stop = (): void => aborted.resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** How many documents of a batch a function broke on. */
export function countBroken(batch: readonly PreparedDocument[]): number {
  return batch.filter(({ prepared: it }) => it.kind === 'refusal' && it.why === 'broken').length;
}

/**
 * Commits a batch. Gives those that have to be looked at again, though nobody has changed them: the
 * sync function or the rules of the import are others by now, or a lease is lost.
 */
export async function commitBatch(
  context: ImportingContext,
  batch: readonly PreparedDocument[],
): Promise<readonly ForeignWrite[]> {
  const results = await context.bucket.commit(batch.map(({ prepared }) => prepared.change));
  const again: ForeignWrite[] = [];
  let isFunctionOld = false;
  for (const [at, { entry, prepared }] of batch.entries()) {
    const result: CommitResult = must(results[at], 'one result for each change');
    if (prepared.kind !== 'done') importSettled(context, prepared, result);
    // NOTE: what was written again stands in the queue again, further behind.
    if (result.ok || result.failed === 'cas') continue;
    again.push(entry);
    if (result.failed === 'function' && prepared.kind !== 'refusal') isFunctionOld = true;
  }
  importFed(context.imports.observer, batch.length);
  if (isFunctionOld) await context.syncFunction.reload();
  return again;
}

async function prepareOne(
  context: ImportingContext,
  { entry, lease, stored }: ReadDocument,
): Promise<PreparedDocument> {
  if (stored === undefined || !isForeign(stored)) {
    // It is gone, or somebody was faster: it only has to leave the queue.
    const { collection, key } = entry;
    const ifCas = stored?.cas ?? 'absent';
    return {
      entry,
      prepared: { kind: 'done', change: { kind: 'taken', collection, key, ifCas, lease } },
    };
  }
  try {
    return { entry, prepared: await prepareImport(context, stored, lease) };
  } catch (cause) {
    if (isGatewayError(cause, 'unavailable')) throw cause;
    // One document must not keep the others waiting for ever.
    const { log } = context.imports.observer;
    log.error('a document cannot be imported', { error: cause });
    const reason = isGatewayError(cause) ? cause.message : 'internal error';
    return { entry, prepared: refusal(context, stored, { as: 'body', reason, lease }) };
  }
}
