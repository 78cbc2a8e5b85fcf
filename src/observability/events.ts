import type { Audit } from './audit/audit.ts';
import type { AuditSender } from './audit/audit-selection.ts';
import { auditSender } from './audit/audited-request.ts';
import type { ChangedAttachments } from './changed-attachments.ts';
import { changedAttachments } from './changed-attachments.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { UserData } from './user-data.ts';
import { userData } from './user-data.ts';

/**
 * One function for each happening, so that its counters and its log line cannot drift apart. The
 * observer is a database's: its log has the field `db`.
 */
export interface Observer {
  readonly database: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined: there is no audit log. */
  readonly audit?: Audit | undefined;
  /** `database.scope.collection`, where it is one collection's. */
  readonly keyspace?: string;
  /** What happens nobody has asked for: documents expire. */
  readonly byGateway?: boolean;
}

const NS_PER_MS = 1_000_000;

/** A revision was committed. `bytes`: of the body as stored; `seq`: the sequence that it got. */
export function documentWritten(
  observer: Observer,
  write: {
    readonly id: string;
    readonly rev: string;
    readonly bytes: number;
    readonly seq: number;
    readonly kind: 'createDocument' | 'updateDocument' | 'deleteDocument';
    readonly attachments: ChangedAttachments;
  },
): void {
  const { database, log, metrics, audit } = observer;
  metrics.count('num_doc_writes', database);
  metrics.count('doc_writes_bytes', database, write.bytes);
  metrics.count('sequence_incr_count', database);
  metrics.count('sequence_reserved_count', database);
  metrics.count('sequence_assigned_count', database);
  log.debug?.('document written', { doc: userData(write.id), rev: write.rev, seq: write.seq });
  if (audit === undefined) return;
  const version = { doc_id: write.id, doc_version: write.rev };
  audit.tell(write.kind, version, observer);
  for (const [event, name] of changedAttachments(write.attachments))
    audit.tell(event, { ...version, attachment_id: name }, observer);
}

/** An administrator removed documents for good. */
export function documentsPurged(observer: Observer, ids: readonly string[]): void {
  const { log, audit } = observer;
  log.info?.('documents purged', { count: ids.length });
  for (const id of ids) {
    log.debug?.('document purged', { doc: userData(id) });
    audit?.tell('deleteDocument', { doc_id: id, purged: true }, observer);
  }
}

/** A resync has routed a document anew. */
export function documentResynced(
  observer: Observer,
  { id, rev }: { readonly id: string; readonly rev: string },
): void {
  const subject = { ...observer, byGateway: true };
  observer.audit?.tell('resyncDocument', { doc_id: id, doc_version: rev }, subject);
}

/** A compaction removed tombstones. */
export function tombstonesCompacted({ database, log, metrics }: Observer, removed: number): void {
  metrics.count('num_tombstones_compacted', database, removed);
  log.info?.('old tombstones removed', { count: removed });
}

/** A compaction removed attachments. */
export function attachmentsCompacted({ database, log, metrics }: Observer, removed: number): void {
  metrics.count('num_attachments_compacted', database, removed);
  log.info?.('attachments that nothing refers to removed', { count: removed });
}

/** Figures from where on a routing is worth a warning; 0: never. */
export interface RoutingThresholds {
  readonly channels_per_doc: number;
  readonly access_and_role_grants_per_doc: number;
  readonly channel_name_size: number;
}

/** The sync function routed a document. */
export function documentRouted(
  { database, log, metrics }: Observer,
  routed: { readonly id: string; readonly channels: readonly string[]; readonly grants: number },
  thresholds: RoutingThresholds,
): void {
  const { channels, grants } = routed;
  const over = (figure: number, threshold: number): boolean => threshold > 0 && figure > threshold;
  const doc = userData(routed.id);
  if (over(channels.length, thresholds.channels_per_doc)) {
    metrics.count('warn_channels_per_doc_count', database);
    log.warn('document in very many channels', { doc, channels: channels.length });
  }
  if (over(grants, thresholds.access_and_role_grants_per_doc)) {
    metrics.count('warn_grants_per_doc_count', database);
    log.warn('document grants very much', { doc, grants });
  }
  const isLong = (name: string): boolean => over(name.length, thresholds.channel_name_size);
  if (channels.some(isLong)) {
    metrics.count('warn_channel_name_size_count', database);
    log.warn('document in a channel with a very long name', { doc });
  }
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

/** A revision that is told to somebody; `removed`: without what is in it. */
interface ToldRevision {
  readonly id: string;
  readonly rev: string;
  readonly removed?: boolean;
}

/** A document was answered over REST; undefined: that it is not there was. */
export function documentRead(observer: Observer, read: ToldRevision | undefined): void {
  observer.metrics.count('num_doc_reads_rest', observer.database);
  if (read !== undefined && read.removed !== true) documentShown(observer, read);
}

/** The body of a document goes to somebody, in a list of them or alone. */
export function documentShown(observer: Observer, { id, rev }: ToldRevision): void {
  observer.audit?.tell('readDocument', { doc_id: id, doc_version: rev }, observer);
}

/** The bytes of an attachment go to somebody. */
export function attachmentRead(
  observer: Observer,
  { id, rev, name }: ToldRevision & { readonly name: string },
): void {
  const fields = { doc_id: id, doc_version: rev, attachment_id: name };
  observer.audit?.tell('readAttachment', fields, observer);
}

/** The end of the history was asked for. */
export function newestSequenceRead({ database, metrics }: Observer): void {
  metrics.count('sequence_get_count', database);
}

/** A page of a feed was read, from the changes in memory or from the bucket. */
export function changesRead({ database, metrics }: Observer, from: 'memory' | 'bucket'): void {
  metrics.count(from === 'memory' ? 'chan_cache_hits' : 'chan_cache_misses', database);
}

/** A feed was asked for, of whatever kind. */
export function feedAsked(
  observer: Observer,
  asked: {
    readonly since: string;
    readonly feed_type: string;
    readonly include_docs: boolean;
    readonly channels?: readonly string[] | undefined;
    readonly doc_ids?: readonly string[] | undefined;
  },
): void {
  observer.audit?.tell('changesFeedStarted', asked, observer);
}

/** A client began to follow a feed: it waits for what is new. */
export function feedBegan({ database, metrics }: Observer): void {
  metrics.count('num_replications_total', database);
  metrics.move('num_replications_active', database, 1);
}

/** It ended, by whomever. */
export function feedEnded(
  { database, metrics }: Observer,
  { elapsedMs }: { readonly elapsedMs: number },
): void {
  metrics.move('num_replications_active', database, -1);
  metrics.count('total_sync_time', database, Math.round(elapsedMs * NS_PER_MS));
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
  observer: Observer,
  attempt: {
    readonly ok: boolean;
    readonly user: string;
    readonly elapsedMs: number;
    readonly by: 'basic' | 'login' | 'session' | 'jwt';
    /** Where it is ok. */
    readonly sender: AuditSender | undefined;
    /** Where it is not, and more is known than that. */
    readonly why?: string | undefined;
  },
): void {
  const { database, log, metrics, audit } = observer;
  metrics.count(attempt.ok ? 'auth_success_count' : 'auth_failed_count', database);
  metrics.count('total_auth_time', database, Math.round(attempt.elapsedMs * NS_PER_MS));
  if (attempt.ok) log.debug?.('authenticated', { user: userData(attempt.user) });
  else log.info?.('authentication failed', { user: userData(attempt.user), why: attempt.why });
  if (audit === undefined) return;
  const fields = { auth_method: attempt.by, username: attempt.user };
  if (attempt.sender !== undefined) auditSender(attempt.sender);
  audit.tell(attempt.ok ? 'authenticated' : 'authenticationFailed', fields, observer);
}

/** A known user asked for what it may not have. */
export function accessRefused(
  { database, log, metrics }: Observer,
  { user, what }: { readonly user: string; readonly what: string },
): void {
  metrics.count('num_access_errors', database);
  log.info?.('access refused', { user: userData(user), what: userData(what) });
}

/** A request on the public interface was answered. Bytes: heads and all. */
export function publicRequestServed(
  { database, metrics }: Observer,
  { bytesRead, bytesWritten }: { readonly bytesRead: number; readonly bytesWritten: number },
): void {
  metrics.count('num_public_rest_requests', database);
  metrics.count('public_rest_bytes_read', database, bytesRead);
  metrics.count('public_rest_bytes_written', database, bytesWritten);
}

/** A request failed for a reason that only the log is told: a bug, or a broken store. */
export function requestFailed(
  { log, metrics }: Pick<Observer, 'log' | 'metrics'>,
  request: { readonly method: string; readonly url: UserData; readonly error: unknown },
): void {
  metrics.countGateway('assertion_fail_count');
  log.error('request failed', { ...request });
}

/** Every transition of a database is told at `warn`, as in the reference. */
export function databaseStateChanged(
  { database, log, metrics }: Observer,
  change: { readonly from: string; readonly to: string; readonly reason: string },
): void {
  metrics.count('state_change_count', database);
  log.warn('database state changed', change);
}

/** A database goes offline by itself: its bucket cannot be followed, or written, for long. */
export function feedLost(
  { database, log, metrics }: Observer,
  trouble: { readonly reason: string; readonly sinceMs: number },
): void {
  metrics.count('feed_lost_count', database);
  const since = new Date(trouble.sinceMs).toISOString();
  log.warn('feed lost', { reason: trouble.reason, since });
}

/** A database stopped serving before they were answered. */
export function requestsCutOff({ log }: Pick<Observer, 'log'>, requests: number): void {
  log.warn('requests cut off', { requests });
}

/** An event of a database, on its way to one handler. */
interface HandledEvent {
  /** Id of the handler. */
  readonly handler: string;
  readonly event: string;
  /** Of the document, where it is about one. */
  readonly doc?: string | undefined;
}

/** A receiver accepted an event. */
export function eventDelivered({ database, log, metrics }: Observer, event: HandledEvent): void {
  metrics.count('webhook_delivered_count', database);
  log.debug?.('event delivered', eventFields(event));
}

/** A receiver did not; `again`: whether it is tried again. */
export function eventNotDelivered(
  { database, log, metrics }: Observer,
  event: HandledEvent & { readonly reason: string; readonly again: boolean },
): void {
  metrics.count('webhook_failed_count', database);
  const { reason, again } = event;
  log[again ? 'info' : 'warn']?.('event not delivered', { ...eventFields(event), reason, again });
}

/** It was given up, and is kept. */
export function eventGivenUp(
  { database, log, metrics }: Observer,
  event: HandledEvent & { readonly id: string; readonly attempts: number; readonly reason: string },
): void {
  metrics.count('webhook_dead_letter_count', database);
  const { id, attempts, reason } = event;
  log.warn('event became a dead letter', { ...eventFields(event), id, attempts, reason });
}

/** There were too many dead letters: one was forgotten. */
export function deadLetterDropped(
  { database, log, metrics }: Observer,
  dropped: { readonly id: string; readonly kept: number },
): void {
  metrics.count('webhook_dropped_count', database);
  log.warn('the oldest dead letter was dropped', dropped);
}

/** It was not sent, since too many wait; `why`: for what. */
export function eventDropped(
  { database, log, metrics }: Observer,
  event: HandledEvent & { readonly why: string },
): void {
  metrics.count('webhook_dropped_count', database);
  log.warn('event dropped', { ...eventFields(event), why: event.why });
}

/** The filter of a handler broke: what it was asked of is not sent. */
export function eventFilterFailed(
  { database, log, metrics }: Observer,
  event: HandledEvent & { readonly error: unknown },
): void {
  metrics.count('webhook_filter_failed_count', database);
  log.warn('filter of events failed', { ...eventFields(event), error: event.error });
}

/** A receiver accepts nothing any more, or again. */
export function receiverChanged(
  { log }: Pick<Observer, 'log'>,
  receiver: { readonly handler: string; readonly isBack: boolean; readonly reason?: string },
): void {
  const { handler, isBack, reason } = receiver;
  if (isBack) log.warn('the receiver of a webhook accepts events again', { handler });
  else log.warn('the receiver of a webhook accepts nothing', { handler, reason });
}

function eventFields({ handler, event, doc }: HandledEvent): Readonly<Record<string, unknown>> {
  return { handler, event, ...(doc === undefined ? {} : { doc: userData(doc) }) };
}
