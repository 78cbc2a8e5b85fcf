import type { BucketServer } from '../bucket/bucket-server.ts';
import { parseDatabaseName } from '../config/database-config.ts';
import type { ParsedDatabaseConfig } from '../config/database-config.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { BucketInTrouble } from './bucket-follower.ts';
import { BucketFollower } from './bucket-follower.ts';
import { checkedDatabaseConfig } from './checked-config.ts';
import { checkClaims, claimDatabase } from './collection-claims.ts';
import type { Database } from './database.ts';
import { forgetConfiguration } from './config-history.ts';
import { LocalConfigs } from './config-records.ts';
import type { DatabaseRecord } from './database-record.ts';
import { listDatabaseRecords } from './database-record.ts';
import type { DatabaseState } from './database-states.ts';
import { runFeedGuards } from './feed-guard.ts';
import { DEFAULT_GROUP, recordsOfGroup } from './group-records.ts';
import { withMetadataId } from './metadata-id.ts';
import { OpenBuckets } from './open-buckets.ts';
import type { DatabaseServices } from './open-database.ts';
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

export interface RegistryOptions {
  readonly isLocal?: boolean;
  readonly followEveryMs?: number;
}

/**
 * The databases of this node, by name. What is configured is kept in the buckets and found there
 * again.
 */
export class DatabaseRegistry implements AsyncDisposable {
  readonly #services: DatabaseServices;
  readonly #buckets: OpenBuckets;
  readonly #local: LocalConfigs | undefined;
  readonly #served = new Map<string, ServedDatabase>();
  readonly #follower: BucketFollower;
  readonly #stop = new AbortController();
  /** What runs until then. */
  #running: readonly Promise<void>[] = [];
  readonly #unloading = new Map<ServedDatabase, Promise<void>>();
  /** Creations and deletions one after the other: they look at all databases. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(
    services: DatabaseServices,
    server: BucketServer,
    { local, followEveryMs }: { local: LocalConfigs | undefined; followEveryMs: number },
  ) {
    this.#services = services;
    this.#local = local;
    this.#buckets = new OpenBuckets({ ...services, server });
    this.#follower = new BucketFollower({
      ...services,
      group: this.#group,
      server,
      buckets: this.#buckets,
      everyMs: followEveryMs,
      databases: {
        in: (bucket) => [...this.#served.values()].filter((each) => each.bucketName === bucket),
        load: (record, bucket) => this.#oneAtATime(() => this.#load(record, bucket)),
        unload: (served) => this.#unload(served),
      },
    });
  }

  /**
   * Loads every database that is configured in a bucket of the server; one that cannot be is logged
   * and left out. `isLocal`: databases live on this node only and none is loaded; what buckets hold
   * of other nodes' is not looked at. `followEveryMs`: how often it is in any case, where they are
   * not; 0: never again.
   */
  static async open(
    services: DatabaseServices,
    server: BucketServer,
    { isLocal = false, followEveryMs = 0 }: RegistryOptions = {},
  ): Promise<DatabaseRegistry> {
    const local = isLocal ? new LocalConfigs() : undefined;
    const registry = new DatabaseRegistry(services, server, { local, followEveryMs });
    if (!isLocal) await registry.#follower.loadAll();
    registry.#run();
    return registry;
  }

  #run(): void {
    const { signal } = this.#stop;
    this.#running = [
      runFeedGuards(() => this.#served.values(), { clock: this.#services.clock, signal }),
      ...(this.isLocal ? [] : [this.#follower.run(signal)]),
    ];
  }

  get #group(): string {
    return this.#services.group ?? DEFAULT_GROUP;
  }

  /** Buckets whose databases are not known, because they cannot be opened; by name. */
  get bucketsInTrouble(): readonly BucketInTrouble[] {
    return this.#follower.inTrouble;
  }

  /** Whether databases live on this node only: their configurations end with the process. */
  get isLocal(): boolean {
    return this.#local !== undefined;
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
    const { variables, sandbox } = this.#services;
    const parsed = await checkedDatabaseConfig(value, { name, variables }, sandbox);
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

  /** Whether a bucket can be opened; it is created where it is not there. Throws as its server. */
  async tryBucket(name: string): Promise<void> {
    await this.#buckets.release(await this.#buckets.acquire(name, { create: true }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    await this.#changing.catch(() => undefined);
    await Promise.all(this.#unloading.values());
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
    const made = { name, given: parsed.given, createdAt: now, updatedAt: now };
    const opened = await this.#buckets.acquire(bucketName, { create: true });
    try {
      const records = this.#local?.of(bucketName) ?? recordsOfGroup(opened.bucket, this.#group);
      const others = await listDatabaseRecords(records);
      await claimDatabase(records, await withMetadataId(made, opened.bucket, others));
      try {
        return (await this.#serve(name, bucketName)).current;
      } catch (cause) {
        await forgetConfiguration(records, name);
        throw cause;
      }
    } finally {
      await this.#buckets.release(opened);
      // What stands in the way may be another node's that is not known here yet.
      this.#follower.forget(bucketName);
    }
  }

  async #load(record: DatabaseRecord, bucket: string): Promise<void> {
    const { name } = record;
    const known = this.#served.get(name);
    // Created here since the bucket was looked at.
    if (known?.bucketName === bucket) return;
    if (known !== undefined)
      throw new GatewayError('databaseExists', `another bucket has a database ${name}`);
    const served = [...this.#served.values()].filter((other) => other.bucketName === bucket);
    checkClaims(
      record,
      served.map(({ current }) => current.record),
    );
    try {
      await this.#serve(name, bucket);
    } catch (cause) {
      // Deleted since it was looked at.
      if (!isGatewayError(cause, 'missing')) throw cause;
    }
  }

  /** Not waited for: it may have to wait for requests. */
  #unload(served: ServedDatabase): void {
    if (this.#unloading.has(served)) return;
    const unloading = this.#abandon(served)
      .catch((cause: unknown) => {
        const { log } = this.#services;
        log.error('a deleted database could not be closed', { db: served.name, error: cause });
      })
      .finally(() => this.#unloading.delete(served));
    this.#unloading.set(served, unloading);
  }

  async #abandon(served: ServedDatabase): Promise<void> {
    if (!(await served.abandon())) return;
    if (this.#served.get(served.name) === served) this.#served.delete(served.name);
    await served[Symbol.asyncDispose]();
  }

  async #serve(name: string, bucketName: string): Promise<ServedDatabase> {
    const served = await ServedDatabase.open(this.#services, {
      buckets: this.#buckets,
      name,
      bucketName,
      local: this.#local?.of(bucketName),
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
