import type { Authenticator, Credentials, Identity } from '../auth/authenticate.ts';
import type { DatabaseConfig, ParsedDatabaseConfig } from '../config/database-config.ts';
import type { CollectionConfig } from '../config/scopes.ts';
import { collectionsOf, DEFAULT_COLLECTION, scopeOf } from '../config/scopes.ts';
import type { Sequence } from '../document/types.ts';
import type { Observer } from '../observability/events.ts';
import { newestSequenceRead, requestsCutOff } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import type { Principals } from '../principals/principals.ts';
import type { Sessions } from '../principals/sessions.ts';
import type { Clock } from '../util/clock.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { SlotList } from '../util/slot-list.ts';
import type { Collection } from './collection.ts';
import type { DatabaseRecord } from './database-record.ts';
import type { DatabaseState, DatabaseStates } from './database-states.ts';
import type { FeedLag } from './feed-state.ts';
import { feedLagOf } from './feed-state.ts';
import { metadataIdOf } from './metadata-id.ts';
import type { OpenBucket } from './open-buckets.ts';

/** What a database is made of; it owns all but the bucket, which its registry shares out. */
export interface DatabaseParts {
  readonly record: DatabaseRecord;
  readonly parsed: ParsedDatabaseConfig;
  /** The database's, of which this is one opening. */
  readonly states: DatabaseStates;
  readonly openBucket: OpenBucket;
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
  /** By `scope.collection`; none where it was opened to be offline. */
  readonly collections: ReadonlyMap<string, Collection>;
  readonly observer: Observer;
  readonly clock: Clock;
  /** When this process began to serve the database, ms since 1970. */
  readonly startedMs: number;
  /** Ends what serves it: expiry, sync functions. */
  readonly close: () => Promise<void>;
}

/** A request that is being answered. */
export interface OpenRequest {
  /** It took too long. */
  cutOff(): void;
}

/**
 * What a gateway serves from (part of) a bucket, as it is configured: one opening of it. Another
 * configuration is another opening; requests end on the one on which they began.
 */
export class Database implements AsyncDisposable {
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly #parts: DatabaseParts;
  readonly #closing = new AbortController();
  readonly #requests = new SlotList<OpenRequest>();
  #idle: (() => void) | undefined;
  #lastSequence: Sequence | undefined;

  constructor(parts: DatabaseParts, lastSequence?: Sequence) {
    this.#parts = parts;
    this.#lastSequence = lastSequence;
    this.principals = parts.principals;
    this.sessions = parts.sessions;
  }

  get name(): string {
    return this.#parts.record.name;
  }

  /** Under which the bucket keeps its users, roles, sessions and grants: `metadata-id.ts`. */
  get metadataId(): string {
    return metadataIdOf(this.#parts.record);
  }

  get state(): DatabaseState {
    return this.#parts.states.state;
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

  /** Aborts when this opening ends: feeds and whatever waits for it end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** From the headers of a request to who sends it. Rejects with `unauthorized`. */
  authenticate(credentials: Credentials, cancellation?: Cancellation): Awaitable<Identity> {
    return this.#parts.authenticator.authenticate(credentials, cancellation);
  }

  /** From a name and a password to the user. Throws `unauthorized`. */
  async login(name: string, password: string, cancellation?: Cancellation): Promise<Reader> {
    return this.#parts.authenticator.login(name, password, cancellation);
  }

  /**
   * The collection that a keyspace names after the database: undefined for the default one,
   * `collection` (of the database's scope) or `scope.collection`. Throws `missing`.
   */
  collection(keyspace: string | undefined): Collection {
    const full = this.fullName(keyspace);
    const collection = this.#parts.collections.get(full);
    if (collection === undefined) throw noCollection(full);
    return collection;
  }

  /** `scope.collection` of what a keyspace names after the database, whether or not it is there. */
  fullName(keyspace: string | undefined): string {
    if (keyspace === undefined) return DEFAULT_COLLECTION;
    return keyspace.includes('.') ? keyspace : `${scopeOf(this.config)}.${keyspace}`;
  }

  /** What is configured for that collection, also while offline. Throws `missing`. */
  collectionConfig(keyspace: string | undefined): CollectionConfig {
    const full = this.fullName(keyspace);
    const found = collectionsOf(this.config).find(({ fullName }) => fullName === full);
    if (found === undefined) throw noCollection(full);
    return found;
  }

  /** Where it stands. Where the bucket cannot be asked, what was last known of it is told. */
  async status(): Promise<DatabaseStatus> {
    const { observer, openBucket, clock, startedMs } = this.#parts;
    newestSequenceRead(observer);
    let last: Sequence | undefined;
    try {
      last = await openBucket.bucket.lastSequence();
      this.#lastSequence = last;
    } catch (cause) {
      if (!isGatewayError(cause, 'unavailable', 'corrupt')) throw cause;
    }
    return {
      updateSequence: this.#lastSequence ?? openBucket.cache.caughtUpTo,
      startedMs,
      lag: feedLagOf(openBucket, { last, nowMs: clock.now() }),
    };
  }

  /**
   * Takes up a request, which is waited for when this opening ends; `leave` is called with the slot
   * that it gets when it is answered. Throws `unavailable` while the database is not online.
   */
  enter(request: OpenRequest): number {
    this.#parts.states.requireOnline();
    return this.#requests.add(request);
  }

  leave(slot: number, request: OpenRequest): void {
    this.#requests.remove(slot, request);
    if (this.#requests.size === 0) this.#idle?.();
  }

  /** The same, where it serves no more: for the administration that works while offline. */
  asOffline(record: DatabaseRecord, parsed: ParsedDatabaseConfig): Database {
    return new Database({ ...this.#parts, record, parsed }, this.#lastSequence);
  }

  /**
   * Ends feeds, gives the other open requests the configured time to be answered, cuts off those
   * that are not, and closes what served them.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new GatewayError('unavailable', 'the database stops serving'));
      await this.#drain();
    }
    await this.#parts.close();
  }

  async #drain(): Promise<void> {
    if (this.#requests.size === 0) return;
    const { clock, observer } = this.#parts;
    const drained = new AbortController();
    this.#idle = () => drained.abort();
    await clock.sleep(this.config.offline_drain_secs * 1000, drained.signal);
    if (this.#requests.size === 0) return;
    requestsCutOff(observer, this.#requests.size);
    for (const request of this.#requests) request.cutOff();
  }
}

function noCollection(fullName: string): GatewayError {
  return new GatewayError('missing', `the database has no collection ${fullName}`);
}

export interface DatabaseStatus {
  /** The end of the bucket's history. */
  readonly updateSequence: Sequence;
  /** When this process began to serve it, ms since 1970. */
  readonly startedMs: number;
  /** How far its feeds are behind. */
  readonly lag: FeedLag;
}
