import type { BucketServer } from '../bucket/bucket-server.ts';
import { parseDatabaseConfig, parseDatabaseName } from '../config/database-config.ts';
import type { ParsedDatabaseConfig } from '../config/database-config.ts';
import type { Log } from '../observability/log.ts';
import { GatewayError } from '../util/errors.ts';
import { checkClaims, claimDatabase } from './collection-claims.ts';
import type { Database } from './database.ts';
import type { DatabaseRecord } from './database-record.ts';
import { listDatabaseRecords, removeDatabaseRecord } from './database-record.ts';
import type { DatabaseState } from './database-state.ts';
import { OpenBuckets } from './open-buckets.ts';
import type { DatabaseServices } from './open-database.ts';
import { checkFunctions } from './open-collections.ts';
import { openDatabase } from './open-database.ts';

export interface ListedDatabase {
  readonly name: string;
  readonly bucket: string;
  readonly state: DatabaseState;
}

interface Served {
  readonly database: Database;
  readonly bucket: string;
}

/**
 * The databases of this node, by name. What is configured is kept in the buckets and found there
 * again.
 */
export class DatabaseRegistry implements AsyncDisposable {
  readonly #services: DatabaseServices;
  readonly #buckets: OpenBuckets;
  readonly #served = new Map<string, Served>();
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

  get(name: string): Database | undefined {
    return this.#served.get(name)?.database;
  }

  /** By name. */
  list(): readonly ListedDatabase[] {
    return [...this.#served]
      .map(([name, { database, bucket }]) => ({ name, bucket, state: database.state }))
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
    return this.#oneAtATime(async () => {
      const served = this.#served.get(name);
      if (served === undefined) throw new GatewayError('missing', `no database ${name}`);
      const { bucket } = await this.#buckets.acquire(served.bucket, { create: false });
      try {
        await removeDatabaseRecord(bucket, name);
        await this.#close(name, served);
      } finally {
        await this.#buckets.release(served.bucket);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changing.catch(() => undefined);
    await Promise.all([...this.#served].map(([name, served]) => this.#close(name, served)));
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
        return await this.#serve(record, parsed);
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
    const { name, given } = record;
    try {
      if (this.#served.has(name))
        throw new GatewayError('databaseExists', `another bucket has a database ${name}`);
      const served = [...this.#served.values()].filter((other) => other.bucket === bucket);
      checkClaims(
        record,
        served.map(({ database }) => database.record),
      );
      await this.#serve(record, parseDatabaseConfig({ ...given, bucket }, { name }));
    } catch (cause) {
      log.error('a database could not be loaded', { db: name, bucket, error: cause });
    }
  }

  async #serve(record: DatabaseRecord, parsed: ParsedDatabaseConfig): Promise<Database> {
    const { bucket: bucketName } = parsed.config;
    const opened = await this.#buckets.acquire(bucketName, { create: false });
    try {
      const database = await openDatabase(this.#services, opened, { record, parsed });
      this.#served.set(record.name, { database, bucket: bucketName });
      return database;
    } catch (cause) {
      await this.#buckets.release(bucketName);
      throw cause;
    }
  }

  async #close(name: string, { database, bucket }: Served): Promise<void> {
    this.#served.delete(name);
    await database[Symbol.asyncDispose]();
    await this.#buckets.release(bucket);
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
