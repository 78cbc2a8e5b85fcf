import type { Authenticator, Credentials, Identity } from '../auth/authenticate.ts';
import type { DatabaseConfig, ParsedDatabaseConfig } from '../config/database-config.ts';
import { DEFAULT_COLLECTION, scopeOf } from '../config/scopes.ts';
import type { Sequence } from '../document/types.ts';
import type { Observer } from '../observability/events.ts';
import { databaseStateChanged } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import type { Principals } from '../principals/principals.ts';
import type { Sessions } from '../principals/sessions.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import type { Collection } from './collection.ts';
import type { DatabaseRecord } from './database-record.ts';
import type { DatabaseState } from './database-state.ts';
import type { OpenBucket } from './open-buckets.ts';

/** What a database is made of; it owns all but the bucket, which its registry shares out. */
export interface DatabaseParts {
  readonly record: DatabaseRecord;
  readonly parsed: ParsedDatabaseConfig;
  readonly openBucket: OpenBucket;
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
  /** By `scope.collection`. */
  readonly collections: ReadonlyMap<string, Collection>;
  readonly observer: Observer;
  readonly clock: Clock;
  /** Ends what serves it: expiry, sync functions. */
  readonly close: () => Promise<void>;
}

/** What a gateway serves from (part of) a bucket. */
export class Database implements AsyncDisposable {
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly #parts: DatabaseParts;
  readonly #startedMs: number;
  readonly #closing = new AbortController();
  #state: DatabaseState;
  #stateSinceMs: number;

  constructor(parts: DatabaseParts) {
    this.#parts = parts;
    this.principals = parts.principals;
    this.sessions = parts.sessions;
    this.#startedMs = parts.clock.now();
    this.#state = 'Starting';
    this.#stateSinceMs = this.#startedMs;
    this.#enter(parts.parsed.config.offline ? 'Offline' : 'Online', 'the database was loaded');
  }

  get name(): string {
    return this.#parts.record.name;
  }

  get state(): DatabaseState {
    return this.#state;
  }

  /** Since when it is in this state, ms since 1970. */
  get stateSinceMs(): number {
    return this.#stateSinceMs;
  }

  get config(): DatabaseConfig {
    return this.#parts.parsed.config;
  }

  /** What the administrator gave, and when. */
  get record(): DatabaseRecord {
    return this.#parts.record;
  }

  /** For `GET _config`. */
  get parsedConfig(): ParsedDatabaseConfig {
    return this.#parts.parsed;
  }

  get observer(): Observer {
    return this.#parts.observer;
  }

  /** Aborts when the database stops serving: feeds and whatever waits for it end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** From the headers of a request to who sends it. Throws `unauthorized`. */
  authenticate(credentials: Credentials, signal?: AbortSignal): Promise<Identity> {
    return this.#parts.authenticator.authenticate(credentials, signal);
  }

  /** From a name and a password to the user. Throws `unauthorized`. */
  async login(name: string, password: string, signal?: AbortSignal): Promise<Reader> {
    return this.#parts.authenticator.login(name, password, signal);
  }

  /**
   * The collection that a keyspace names after the database: undefined for the default one,
   * `collection` (of the database's scope) or `scope.collection`. Throws `missing`.
   */
  collection(keyspace: string | undefined): Collection {
    const full =
      keyspace === undefined
        ? DEFAULT_COLLECTION
        : keyspace.includes('.')
          ? keyspace
          : `${scopeOf(this.config)}.${keyspace}`;
    const collection = this.#parts.collections.get(full);
    if (collection === undefined)
      throw new GatewayError('missing', `the database has no collection ${full}`);
    return collection;
  }

  async status(): Promise<DatabaseStatus> {
    const updateSequence = await this.#parts.openBucket.bucket.lastSequence();
    return { updateSequence, startedMs: this.#startedMs };
  }

  /** Ends feeds and waits; the registry then gives the bucket back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#enter('Stopping', 'the database is closed');
    this.#closing.abort(new GatewayError('unavailable', 'the database is being closed'));
    await this.#parts.close();
  }

  #enter(to: DatabaseState, reason: string): void {
    databaseStateChanged(this.#parts.observer, { from: this.#state, to, reason });
    this.#state = to;
    this.#stateSinceMs = this.#parts.clock.now();
  }
}

export interface DatabaseStatus {
  /** The end of the bucket's history. */
  readonly updateSequence: Sequence;
  /** When this process began to serve it, ms since 1970. */
  readonly startedMs: number;
}
