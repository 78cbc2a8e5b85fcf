import type { BucketServer } from '../bucket/bucket-server.ts';
import { parseDatabaseConfig, parseDatabaseName } from '../config/database-config.ts';
import type { ParsedDatabaseConfig } from '../config/database-config.ts';
import type { Log } from '../observability/log.ts';
import { GatewayError } from '../util/errors.ts';
import { checkClaims, claimDatabase } from './collection-claims.ts';
import type { Database } from './database.ts';
import type { DatabaseRecord } from './database-record.ts';
import { listDatabaseRecords, removeDatabaseRecord } from './database-record.ts';
import type { DatabaseState } from './database-states.ts';
import { OpenBuckets } from './open-buckets.ts';
import type { DatabaseServices } from './open-database.ts';
import { checkFunctions } from './open-collections.ts';
import { ServedDatabase } from './served-database.ts';

export interface ListedDatabase {
  readonly name: string;
  readonly bucket: string;
  readonly state: DatabaseState;
  /** Since when it is in this state, ms since 1970. */
  readonly stateSinceMs: number;
  readonly stateReason: string;
  /** When it is to come online, ms since 1970; undefined where no time is set. */
  readonly onlineAtMs: number | undefined;
}

/**
 * The databases of this node, by name. What is configured is kept in the buckets and found there
 * again.
 */
export class DatabaseRegistry implements AsyncDisposable {
  readonly #services: DatabaseServices;
  readonly #buckets: OpenBuckets;
  readonly #served = new Map<string, ServedDatabase>();
  /** Creations and deletions one after the other: they look at all databases. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(services: DatabaseServices, server: BucketServer) {
    this.#services = services;
    this.#buckets = new OpenBuckets({ ...services, server });
  }

  /**
   * Loads every database that is configured in a bucket of the server; one that cannot be is logged
   * and left out.
   */
  static async open(services: DatabaseServices, server: BucketServer): Promise<DatabaseRegistry> {
    const registry = new DatabaseRegistry(services, server);
    for (const bucket of await server.list()) await registry.#loadBucket(bucket);
    return registry;
  }

  /** As new requests find it. */
  get(name: string): Database | undefined {
    return this.#served.get(name)?.current;
  }

  /** The whole life of a database, for its administration. Throws `missing`. */
  served(name: string): ServedDatabase {
    const served = this.#served.get(name);
    if (served === undefined) throw new GatewayError('missing', `no database ${name}`);
    return served;
  }

  /** By name. */
  list(): readonly ListedDatabase[] {
    return [...this.#served.values()]
      .map(({ name, bucketName: bucket, states, onlineAtMs }) => ({
        name,
        bucket,
        state: states.state,
        stateSinceMs: states.sinceMs,
        stateReason: states.reason,
        onlineAtMs,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Creates and serves a database from the body of `PUT /{db}/`. Throws `badRequest` naming every
   * mistake, `databaseExists`, and `conflict` where another database serves one of its
   * collections.
   */
  async create(name: string, value: unknown): Promise<Database> {
    parseDatabaseName(name);
    const parsed = parseDatabaseConfig(value, { name });
    await checkFunctions(parsed.config, this.#services.sandbox);
    return this.#oneAtATime(() => this.#create(name, parsed));
  }

  /**
   * Ends serving a database and forgets its configuration; its documents stay. Throws `missing`.
   */
  async delete(name: string): Promise<void> {
    const forgotten = await this.#oneAtATime(async () => {
      const served = this.served(name);
      await served.forget();
      this.#served.delete(name);
      return served;
    });
    // NOTE: outside: nobody else waits for what this one's requests still take.
    await forgotten[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changing.catch(() => undefined);
    const all = [...this.#served.values()];
    this.#served.clear();
    await Promise.all(all.map((served) => served[Symbol.asyncDispose]()));
    await this.#buckets[Symbol.asyncDispose]();
  }

  async #create(name: string, parsed: ParsedDatabaseConfig): Promise<Database> {
    if (this.#served.has(name))
      throw new GatewayError('databaseExists', `there is a database ${name}`);
    const { bucket: bucketName } = parsed.config;
    const now = new Date(this.#services.clock.now()).toISOString();
    const record = { name, given: parsed.given, createdAt: now, updatedAt: now };
    const opened = await this.#buckets.acquire(bucketName, { create: true });
    try {
      await claimDatabase(opened.bucket, record);
      try {
        return (await this.#serve(name, bucketName)).current;
      } catch (cause) {
        await removeDatabaseRecord(opened.bucket, name);
        throw cause;
      }
    } finally {
      await this.#buckets.release(bucketName);
    }
  }

  async #loadBucket(bucketName: string): Promise<void> {
    const log = this.#services.log.with({ key: 'Config' });
    try {
      const { bucket } = await this.#buckets.acquire(bucketName, { create: false });
      try {
        const records = await listDatabaseRecords(bucket);
        for (const record of records.toSorted(byAge)) await this.#load(record, bucketName, log);
      } finally {
        await this.#buckets.release(bucketName);
      }
    } catch (cause) {
      log.error('a bucket could not be loaded', { bucket: bucketName, error: cause });
    }
  }

  async #load(record: DatabaseRecord, bucket: string, log: Log): Promise<void> {
    const { name } = record;
    try {
      if (this.#served.has(name))
        throw new GatewayError('databaseExists', `another bucket has a database ${name}`);
      const served = [...this.#served.values()].filter((other) => other.bucketName === bucket);
      checkClaims(
        record,
        served.map(({ current }) => current.record),
      );
      await this.#serve(name, bucket);
    } catch (cause) {
      log.error('a database could not be loaded', { db: name, bucket, error: cause });
    }
  }

  async #serve(name: string, bucketName: string): Promise<ServedDatabase> {
    const served = await ServedDatabase.open(this.#services, {
      buckets: this.#buckets,
      name,
      bucketName,
    });
    this.#served.set(name, served);
    return served;
  }

  async #oneAtATime<T>(change: () => Promise<T>): Promise<T> {
    const before = this.#changing;
    const done = before.then(change, change);
    this.#changing = done;
    return done;
  }
}

/** Of two that claim the same, the older one is served. */
function byAge(a: DatabaseRecord, b: DatabaseRecord): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
