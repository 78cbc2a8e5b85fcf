import type { Socket } from 'node:net';
import type { Clock } from '../../util/clock.ts';
import { writableFields } from '../log-fields.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { AuditEvent } from './audit-event.ts';
import type { AuditEventName } from './audit-events.ts';
import { AUDIT_EVENTS } from './audit-events.ts';
import type { AuditOptions, AuditSender, DatabaseAuditOptions } from './audit-selection.ts';
import { AuditSelection } from './audit-selection.ts';
import type { AuditedRequest } from './audited-request.ts';
import { auditedRequest, inAuditedRequest } from './audited-request.ts';
import type { Rotation } from './rotating-file.ts';
import { RotatingFile } from './rotating-file.ts';

export type AuditFields = Readonly<Record<string, unknown>>;

/** What an event is about; what is open here the request says. */
export interface AuditSubject {
  readonly database?: string | undefined;
  /** `database.scope.collection`. */
  readonly keyspace?: string | undefined;
  /** The gateway does it by itself, though a request may have been the occasion. */
  readonly byGateway?: boolean | undefined;
  /** Of the database, where it may be gone by now. */
  readonly options?: DatabaseAuditOptions | undefined;
}

export interface AuditSettings {
  /** Of the gateway. */
  readonly options: AuditOptions;
  readonly path: string;
  readonly rotation: Rotation;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A database, as far as auditing goes. */
interface Audited {
  readonly name: string;
  readonly config: { readonly logging: { readonly audit: DatabaseAuditOptions } };
}

/** Nothing is hashed in this log. */
const AS_IT_IS = { redaction: 'none', hashKey: new Uint8Array() } as const;
const CID_DIGITS = 3;

/**
 * The audit log of this process: who did what, as JSON lines in a file of their own. It hangs on to
 * the databases as a companion, and tells of each what it is configured to.
 */
export class Audit implements AsyncDisposable {
  readonly #settings: AuditSettings;
  readonly #file: RotatingFile;
  readonly #gateway: AuditSelection;
  readonly #databases = new Map<string, AuditSelection>();
  readonly #made = new WeakMap<DatabaseAuditOptions, AuditSelection>();
  #requests = 0;

  /** Throws the system's error where its file cannot be opened. */
  constructor(settings: AuditSettings) {
    const { metrics, log } = settings;
    this.#settings = settings;
    this.#gateway = new AuditSelection(settings.options, 'global');
    this.#file = new RotatingFile({
      ...settings,
      dropped: () => metrics.countGateway('num_audits_dropped'),
      inTrouble: (doing, error) => log.error('the audit log is in trouble', { doing, error }),
    });
    this.tell('auditingEnabled', { audit_scope: 'global' });
  }

  /** Runs the work of a request, whose address and number are told with what it brings about. */
  inRequest<T>(socket: Socket, work: () => T): T {
    const cid = `#${String(++this.#requests).padStart(CID_DIGITS, '0')}`;
    return inAuditedRequest(cid, socket, work);
  }

  /**
   * Writes a line, if the event is to be told, soon. Secrets are no fields; long texts and lists
   * are cut.
   */
  tell(name: AuditEventName, fields: AuditFields = {}, subject: AuditSubject = {}): void {
    const event: AuditEvent = AUDIT_EVENTS[name];
    const request = subject.byGateway === true ? undefined : auditedRequest();
    const database = subject.database ?? request?.database;
    const ofDatabase = this.#selectionOf(database, subject.options);
    const selection = event.scope === 'global' ? this.#gateway : ofDatabase;
    if (selection?.has(event.id) !== true) return;
    const { metrics } = this.#settings;
    const sender = request?.sender;
    const filter = sender && event.isFilterable ? ofDatabase?.filters(sender) : undefined;
    if (filter !== undefined)
      return metrics.countGateway(
        filter === 'user' ? 'num_audits_filtered_by_user' : 'num_audits_filtered_by_role',
      );
    metrics.countGateway('num_audits_logged');
    const keyspace = subject.keyspace ?? request?.keyspace;
    const line = {
      timestamp: new Date(this.#settings.clock.now()).toISOString(),
      id: event.id,
      name: event.name,
      description: event.description,
      ...(request === undefined ? {} : ofRequest(request)),
      ...(database === undefined ? {} : { db: database }),
      ...(keyspace === undefined ? {} : { ks: keyspace }),
      ...writableFields(fields, AS_IT_IS),
    };
    this.#file.write(`${JSON.stringify(line)}\n`);
  }

  /** A database serves with this configuration: its events are told by it from now on. */
  start({ name, config }: Audited): Promise<AsyncDisposable> {
    this.configured({ name, config });
    return Promise.resolve(NOTHING_OPEN);
  }

  /**
   * NOTE: for those that do not serve; of others it is known, and during a change of their
   * configuration they are told of with the old one.
   */
  stateChanged(database: Audited): void {
    if (!this.#databases.has(database.name)) this.configured(database);
  }

  /** It has, or gets, this configuration. */
  configured({ name, config }: Audited): void {
    const next = this.#made.get(config.logging.audit) ?? new AuditSelection(config.logging.audit);
    this.#made.set(config.logging.audit, next);
    const wasEnabled = this.#databases.get(name)?.enabled ?? false;
    this.#databases.set(name, next);
    if (next.enabled === wasEnabled) return;
    const event = next.enabled ? 'auditingEnabled' : 'auditingDisabled';
    this.tell(event, { audit_scope: 'db' }, { database: name });
  }

  forgotten(name: string): void {
    this.#databases.delete(name);
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #selectionOf(
    database: string | undefined,
    options: DatabaseAuditOptions | undefined,
  ): AuditSelection | undefined {
    const known = database === undefined ? undefined : this.#databases.get(database);
    return known ?? (options && this.#made.get(options));
  }
}

const NOTHING_OPEN: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

function ofRequest({ cid, local, remote, sender }: AuditedRequest): AuditFields {
  return { cid, local, remote, ...(sender && { real_userid: userOf(sender) }) };
}

function userOf({ domain, user }: AuditSender): AuditFields {
  return { domain, user };
}
