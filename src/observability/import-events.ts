import type { Observer } from './events.ts';
import { userData } from './user-data.ts';

/** What happens to documents that strangers write: one function for each happening. */

const NS_PER_MS = 1_000_000;

/** One was taken in: as a revision, or as the same one that is routed anew. */
export function importEnded(
  observer: Observer,
  { id, rev, seq }: { readonly id: string; readonly rev: string; readonly seq: number },
): void {
  const { database, log, metrics } = observer;
  metrics.count('import_count', database);
  sequenceTaken(observer);
  metrics.raise('import_high_seq', database, seq);
  log.debug?.('document imported', { doc: userData(id), rev, seq });
  const subject = { ...observer, byGateway: true };
  observer.audit?.tell('importDocument', { doc_id: id, doc_version: rev }, subject);
}

function sequenceTaken({ database, metrics }: Observer): void {
  metrics.count('sequence_incr_count', database);
  metrics.count('sequence_reserved_count', database);
  metrics.count('sequence_assigned_count', database);
}

/** One had the body that the gateway wrote: nothing was to be done. */
export function importedSame(
  { database, log, metrics }: Observer,
  { id }: { readonly id: string },
): void {
  metrics.count('crc32c_match_count', database);
  log.debug?.('foreign write changed no body', { doc: userData(id) });
}

/** One is not taken in. `isMistake`: it broke something, or is no document at all. */
export function importRefused(
  observer: Observer,
  refused: {
    readonly id: string;
    readonly rejectedAs: string;
    readonly reason: string;
    readonly isMistake: boolean;
    /** Where the revision before was hidden; 0: nothing was. */
    readonly seq: number;
  },
): void {
  const { id, rejectedAs, reason, isMistake, seq } = refused;
  if (seq > 0) sequenceTaken(observer);
  const { database, log, metrics } = observer;
  const fields = { doc: userData(id), by: rejectedAs, reason: userData(reason) };
  if (isMistake) {
    metrics.count('import_error_count', database);
    log.info?.('document not imported', fields);
  } else log.debug?.('document not imported', fields);
}

/** Somebody else wrote or took it in meanwhile: it is looked at again. */
export function importCancelled(
  { database, log, metrics }: Observer,
  { id }: { readonly id: string },
): void {
  metrics.count('import_cancel_cas', database);
  log.debug?.('import cancelled: the document has changed', { doc: userData(id) });
}

/** Time was spent on imports. */
export function importTook({ database, metrics }: Observer, elapsedMs: number): void {
  metrics.count('import_processing_time', database, Math.round(elapsedMs * NS_PER_MS));
}

/** Entries of the queue of foreign writes were looked at by the import of this node. */
export function importFed({ database, metrics }: Observer, count: number): void {
  metrics.count('import_feed_processed_count', database, count);
}
