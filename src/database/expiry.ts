import type { DocId } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import { loadDocument } from './current-document.ts';
import { deletionDraft } from './drafts.ts';
import { updateDocument } from './update-document.ts';

/** How long after its expiry a document may still be there, ms. */
const ROUND_MS = 1000;
const BATCH = 200;

/**
 * Makes tombstones of the documents that have expired, in all collections of a database. Runs until
 * `signal` aborts. Every process on a bucket does it: whoever is first commits, the others find
 * nothing to do.
 */
export async function runExpiry(
  collections: readonly CollectionContext[],
  signal: AbortSignal,
): Promise<void> {
  const [first] = collections;
  while (first !== undefined && !signal.aborted) {
    let more = false;
    for (const context of collections) {
      if (signal.aborted) return;
      if (await expireSome(context, signal)) more = true;
    }
    if (!more) await first.clock.sleep(ROUND_MS, signal);
  }
}

/** Whether more are waiting, as far as progress was made with these. */
async function expireSome(context: CollectionContext, signal: AbortSignal): Promise<boolean> {
  const log = context.observer.log.with({ key: 'CRUD' });
  try {
    const expired = await context.bucket.expiredDocuments(context.id, nowSecs(context), BATCH);
    let removed = 0;
    for (const key of expired) {
      if (signal.aborted) return false;
      if (await expireDocument(context, key, log)) removed++;
    }
    return removed > 0 && expired.length === BATCH;
  } catch (cause) {
    log.warn('expired documents could not be read; trying again', { error: cause });
    return false;
  }
}

/** Whether it was removed; what could not be is tried again in the next round. */
async function expireDocument(context: CollectionContext, key: DocId, log: Log): Promise<boolean> {
  try {
    const current = await loadDocument(context, key);
    if (current === undefined || current.deleted || !isPast(context, current.expiry)) return false;
    await updateDocument(context, {
      key,
      writer: { kind: 'admin' },
      mustPass: true,
      draft: (now) => {
        // An application may put the expiry off, without another revision.
        if (now === undefined || !isPast(context, now.expiry))
          throw new GatewayError('conflict', 'the document does not expire any more');
        return deletionDraft(current.rev);
      },
    });
    return true;
  } catch (cause) {
    // Somebody wrote it meanwhile: the next round sees whether it still expires.
    if (!isGatewayError(cause, 'conflict'))
      log.warn('an expired document could not be removed', { error: cause });
    return false;
  }
}

const isPast = (clock: { readonly clock: Clock }, expiry: number): boolean =>
  expiry > 0 && expiry <= nowSecs(clock);
