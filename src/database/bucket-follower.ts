import type { BucketServer } from '../bucket/bucket-server.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { isGatewayError } from '../util/errors.ts';
import type { DatabaseRecord } from './database-record.ts';
import { DATABASE_KIND, listDatabaseRecords } from './database-record.ts';
import { kindInGroup, recordsOfGroup } from './group-records.ts';
import type { OpenBuckets } from './open-buckets.ts';
import type { ServedDatabase } from './served-database.ts';

/** A bucket that is there and cannot be opened: which databases it has is not known. */
export interface BucketInTrouble {
  readonly bucket: string;
  readonly reason: string;
  /** ms since 1970. */
  readonly sinceMs: number;
}

/** The databases that are served, as the follower changes them. */
export interface FollowedDatabases {
  in(bucket: string): readonly ServedDatabase[];
  /** Serves what another node has configured. Throws as `ServedDatabase.open`. */
  load(record: DatabaseRecord, bucket: string): Promise<void>;
  /** Ends serving what another node has deleted. */
  unload(served: ServedDatabase): void;
}

export interface FollowerOptions {
  readonly server: BucketServer;
  readonly buckets: OpenBuckets;
  readonly databases: FollowedDatabases;
  /** Whose configurations they are. */
  readonly group: string;
  /** How often all buckets are looked at, ms; 0: never again. */
  readonly everyMs: number;
  readonly log: Log;
  readonly clock: Clock;
}

/** Open buckets are asked this often whether a configuration has changed: a few µs each. */
const TICK_MS = 1000;
/**
 * A bucket that could not be opened, or has no database of ours, is looked at again after so long,
 * then twice as long, …
 */
const RETRY_FIRST_MS = 1000;
/** … and at most so long; one that has none, `everyMs`. */
const RETRY_MOST_MS = 60_000;

/** No version: what was there is looked at with the next tick. */
const LOOK_AGAIN = '';

/**
 * One without a database of ours is opened again after so long even if nothing seems to have
 * changed: what changes between the look at it and the stamp is not seen.
 */
const UNUSED_MS = 60_000;

interface Seen {
  /**
   * Of the configurations, when they were last taken over; undefined where one of them could not
   * be: then they are taken over again when it is time for all.
   */
  version?: string;
  /** Of the bucket, where none of its databases is served. */
  stamp?: string;
  trouble?: BucketInTrouble;
  retryAtMs: number;
  pauseMs: number;
  /** What the log was told of its databases, so that it is told once. */
  readonly told: Map<string, string>;
}

/**
 * Follows what is configured in the buckets: what another node of the group creates, changes or
 * deletes is so on this one within a second or two where they share the machine, and within
 * `everyMs` in any case. A bucket that cannot be opened is tried again until it can.
 */
export class BucketFollower {
  readonly #options: FollowerOptions;
  readonly #log: Log;
  readonly #seen = new Map<string, Seen>();
  readonly #refreshing = new Set<ServedDatabase>();
  #lookAtAllMs = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#log = options.log.with({ key: 'Config' });
  }

  /** By name. */
  get inTrouble(): readonly BucketInTrouble[] {
    const all = [...this.#seen.values()].flatMap(({ trouble }) => trouble ?? []);
    return all.toSorted((a, b) => (a.bucket < b.bucket ? -1 : 1));
  }

  /** Loads what is configured in every bucket. Throws where they cannot be listed. */
  async loadAll(): Promise<void> {
    for (const name of await this.#options.server.list()) await this.#look(name);
    this.#lookAtAllMs = this.#options.clock.now() + this.#options.everyMs;
  }

  /** Resolves when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#tick(signal);
      } catch (cause) {
        this.#log.warn('configurations could not be looked at; trying again', { error: cause });
      }
    }
  }

  /** What was found of this bucket holds no more: it is looked at with the next tick. */
  forget(bucket: string): void {
    const seen = this.#seen.get(bucket);
    if (seen === undefined) this.#lookAtAllMs = 0;
    else {
      seen.version = LOOK_AGAIN;
      delete seen.stamp;
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock, everyMs, server } = this.#options;
    const isTimeForAll = everyMs > 0 && clock.now() >= this.#lookAtAllMs;
    if (isTimeForAll) this.#lookAtAllMs = clock.now() + everyMs;
    const names = everyMs > 0 ? await server.list() : [...this.#seen.keys()];
    this.#forgetAllBut(names);
    for (const name of names) {
      if (signal.aborted) return;
      if (await this.#isDue(name, isTimeForAll)) await this.#look(name);
    }
  }

  /** What became of a bucket that is not there any more, its databases say. */
  #forgetAllBut(names: readonly string[]): void {
    for (const name of this.#seen.keys()) if (!names.includes(name)) this.#seen.delete(name);
  }

  async #isDue(name: string, isTimeForAll: boolean): Promise<boolean> {
    const { clock, databases, everyMs, server } = this.#options;
    const seen = this.#seen.get(name);
    const served = databases.in(name);
    // NOTE: what is in another file by now is looked at when an administrator says so: `_online`.
    if (served.some(({ feed }) => feed.state.state !== 'following')) return false;
    if (seen === undefined) return true;
    if (seen.trouble !== undefined) return clock.now() >= seen.retryAtMs;
    if (everyMs === 0) return false;
    if (served.length === 0) {
      const quietMs = clock.now() - seen.retryAtMs;
      return quietMs >= 0 && (quietMs > UNUSED_MS || (await server.stampOf(name)) !== seen.stamp);
    }
    if (seen.version === undefined) return isTimeForAll;
    const bucket = served[0]?.openBucket?.bucket;
    return bucket !== undefined && (await bucket.recordsVersion(this.#kind)) !== seen.version;
  }

  get #kind(): { readonly kind: string; readonly database: string } {
    const { kind, database } = DATABASE_KIND;
    return { kind: kindInGroup(kind, this.#options.group), database };
  }

  async #look(name: string): Promise<void> {
    const { clock, databases, everyMs, server } = this.#options;
    const seen: Seen = this.#seen.get(name) ?? { retryAtMs: 0, pauseMs: 0, told: new Map() };
    this.#seen.set(name, seen);
    try {
      await this.#takeOver(name, seen);
      if (seen.trouble !== undefined) this.#log.warn('a bucket is back', { bucket: name });
      delete seen.trouble;
      // It may be another group's, and changed all the time.
      if (databases.in(name).length === 0) this.#pause(seen, Math.max(everyMs, RETRY_FIRST_MS));
      else seen.pauseMs = 0;
    } catch (cause) {
      if (isGatewayError(cause, 'missing')) this.#seen.delete(name);
      else if (databases.in(name).length > 0) delete seen.version;
      else {
        const reason = isGatewayError(cause) ? cause.message : 'internal error';
        seen.trouble = { bucket: name, reason, sinceMs: seen.trouble?.sinceMs ?? clock.now() };
      }
      this.#pause(seen, RETRY_MOST_MS);
      const { pauseMs } = seen;
      this.#log.error('a bucket could not be loaded', { bucket: name, pauseMs, error: cause });
    }
    // Taken after it was closed again, which changes it.
    const stamp = databases.in(name).length === 0 ? await server.stampOf(name) : undefined;
    if (stamp !== undefined) seen.stamp = stamp;
  }

  #pause(seen: Seen, mostMs: number): void {
    seen.pauseMs = Math.min(Math.max(2 * seen.pauseMs, RETRY_FIRST_MS), mostMs);
    seen.retryAtMs = this.#options.clock.now() + seen.pauseMs;
  }

  async #takeOver(name: string, seen: Seen): Promise<void> {
    const { buckets, databases, group } = this.#options;
    const opened = await buckets.acquire(name, { create: false });
    try {
      // Before they are read: what changes meanwhile is seen the next time.
      const version = await opened.bucket.recordsVersion(this.#kind);
      const records = await listDatabaseRecords(recordsOfGroup(opened.bucket, group));
      const names = new Set(records.map((record) => record.name));
      seen.version = version;
      for (const served of databases.in(name)) {
        if (names.has(served.name)) this.#refresh(served, seen);
        else databases.unload(served);
      }
      const known = new Set(databases.in(name).map((served) => served.name));
      const unknown = records.filter((record) => !known.has(record.name));
      for (const record of unknown.toSorted(byAge))
        if (!(await this.#load(record, name, seen))) delete seen.version;
    } finally {
      await buckets.release(opened);
    }
  }

  async #load(record: DatabaseRecord, bucket: string, { told }: Seen): Promise<boolean> {
    const { name } = record;
    try {
      await this.#options.databases.load(record, bucket);
      told.delete(name);
      return true;
    } catch (cause) {
      const message = String(cause);
      if (told.get(name) !== message)
        this.#log.error('a database could not be loaded', { db: name, bucket, error: cause });
      told.set(name, message);
      return false;
    }
  }

  /** Not waited for: it may have to wait for requests. */
  #refresh(served: ServedDatabase, seen: Seen): void {
    if (this.#refreshing.has(served)) {
      seen.version = LOOK_AGAIN;
      return;
    }
    const { name: db } = served;
    this.#refreshing.add(served);
    void served
      .refresh()
      .then(() => seen.told.delete(db))
      .catch((cause: unknown) => {
        delete seen.version;
        const message = String(cause);
        if (seen.told.get(db) !== message)
          this.#log.error('a configuration could not be followed', { db, error: cause });
        seen.told.set(db, message);
      })
      .finally(() => this.#refreshing.delete(served));
  }
}

/** Of two that claim the same, the older one is served. */
function byAge(a: DatabaseRecord, b: DatabaseRecord): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
