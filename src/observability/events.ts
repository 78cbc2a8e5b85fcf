import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { userData } from './user-data.ts';

/**
 * One function for each happening, so that its counters and its log line cannot drift apart. The
 * observer is a database's: its log has the field `db`.
 */
export interface Observer {
  readonly database: string;
  readonly log: Log;
  readonly metrics: Metrics;
}

const NS_PER_MS = 1_000_000;

/** A revision was committed. `bytes`: of the body as stored; `seq`: the sequence that it got. */
export function documentWritten(
  { database, log, metrics }: Observer,
  write: {
    readonly id: string;
    readonly rev: string;
    readonly bytes: number;
    readonly seq: number;
  },
): void {
  metrics.count('num_doc_writes', database);
  metrics.count('doc_writes_bytes', database, write.bytes);
  metrics.count('sequence_assigned_count', database);
  log.debug?.('document written', { doc: userData(write.id), rev: write.rev, seq: write.seq });
}

/** An administrator removed documents for good. */
export function documentsPurged({ log }: Pick<Observer, 'log'>, ids: readonly string[]): void {
  log.info?.('documents purged', { count: ids.length });
  for (const id of ids) log.debug?.('document purged', { doc: userData(id) });
}

/** The sync function said no. */
export function documentRejected(
  { database, log, metrics }: Observer,
  { id, kind, reason }: { readonly id: string; readonly kind: string; readonly reason: string },
): void {
  metrics.count('num_doc_writes_rejected', database);
  metrics.count('num_docs_rejected', database);
  log.info?.('document rejected', { doc: userData(id), kind, reason: userData(reason) });
}

/** A write did not extend a leaf. */
export function writeConflicted({ database, log, metrics }: Observer, id: string): void {
  metrics.count('conflict_write_count', database);
  log.debug?.('write conflicted', { doc: userData(id) });
}

/** Documents were answered over REST. */
export function documentsRead({ database, metrics }: Observer, count = 1): void {
  metrics.count('num_doc_reads_rest', database, count);
}

/** A sync function was called; `error` where it broke (and did not merely reject). */
export function syncFunctionRan(
  { database, log, metrics }: Observer,
  call: { readonly elapsedMs: number; readonly id: string; readonly error?: unknown },
): void {
  metrics.count('sync_function_count', database);
  metrics.count('sync_function_time', database, Math.round(call.elapsedMs * NS_PER_MS));
  if (call.error === undefined) return;
  metrics.count('sync_function_exception_count', database);
  log.warn('sync function failed', { doc: userData(call.id), error: call.error });
}

/** A request on the public interface named its user, rightly or wrongly. */
export function authenticated(
  { database, log, metrics }: Observer,
  attempt: { readonly ok: boolean; readonly user: string; readonly elapsedMs: number },
): void {
  metrics.count(attempt.ok ? 'auth_success_count' : 'auth_failed_count', database);
  metrics.count('total_auth_time', database, Math.round(attempt.elapsedMs * NS_PER_MS));
  if (attempt.ok) log.debug?.('authenticated', { user: userData(attempt.user) });
  else log.info?.('authentication failed', { user: userData(attempt.user) });
}

/** A known user asked for what it may not have. */
export function accessRefused(
  { database, log, metrics }: Observer,
  { user, what }: { readonly user: string; readonly what: string },
): void {
  metrics.count('num_access_errors', database);
  log.info?.('access refused', { user: userData(user), what: userData(what) });
}

/** A request on the public interface was answered. Bytes are those of bodies. */
export function publicRequestServed(
  { database, metrics }: Observer,
  { bytesRead, bytesWritten }: { readonly bytesRead: number; readonly bytesWritten: number },
): void {
  metrics.count('num_public_rest_requests', database);
  metrics.count('public_rest_bytes_read', database, bytesRead);
  metrics.count('public_rest_bytes_written', database, bytesWritten);
}

/** Every transition of a database is told at `warn`, as in the reference. */
export function databaseStateChanged(
  { log }: Pick<Observer, 'log'>,
  change: { readonly from: string; readonly to: string; readonly reason: string },
): void {
  log.warn('database state changed', change);
}
