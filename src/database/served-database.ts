import type { Bucket } from '../bucket/bucket.ts';
import type { Observer } from '../observability/events.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { ConfigChange } from './config-change.ts';
import { setOffline } from './config-change.ts';
import type { AcceptsVersion, Configuration } from './configuration.ts';
import { changeConfiguration, readConfiguration } from './configuration.ts';
import type { Database } from './database.ts';
import { configVersion, removeDatabaseRecord, replaceDatabaseRecord } from './database-record.ts';
import { DatabaseStates } from './database-states.ts';
import type { StateRequest } from './database-states.ts';
import { DelayedOnline } from './delayed-online.ts';
import type { OpenBucket, OpenBuckets } from './open-buckets.ts';
import { checkFunctions } from './open-collections.ts';
import type { DatabaseServices } from './open-database.ts';
import { openDatabase } from './open-database.ts';

interface Parts {
  readonly services: DatabaseServices;
  readonly buckets: OpenBuckets;
  readonly bucketName: string;
  readonly observer: Observer;
  readonly states: DatabaseStates;
  readonly startedMs: number;
}

/** Openings with older configurations that still answer requests; then a change waits for one. */
const DRAINING_MAX = 4;

/**
 * The life of a database on this node: it goes offline and online and gets other configurations, by
 * the table of `database-states.ts`. One thing is done after the other, so that inside of one the
 * state is Online or Offline; whoever comes meanwhile is answered by the table, or waits its turn.
 */
export class ServedDatabase implements AsyncDisposable {
  readonly states: DatabaseStates;
  readonly #parts: Parts;
  readonly #later: DelayedOnline;
  /** Undefined where the bucket could not be opened again. */
  #openBucket: OpenBucket | undefined;
  #configuration: Configuration;
  #current: Database;
  #doing: Promise<unknown> = Promise.resolve();
  #gone = false;
  readonly #draining = new Set<Promise<void>>();

  private constructor(
    parts: Parts,
    opened: {
      readonly openBucket: OpenBucket;
      readonly configuration: Configuration;
      readonly database: Database;
    },
  ) {
    this.#parts = parts;
    this.states = parts.states;
    this.#openBucket = opened.openBucket;
    this.#configuration = opened.configuration;
    this.#current = opened.database;
    this.#later = new DelayedOnline(parts.services.clock, (isCancelled) =>
      this.#goOnlineAtTime(isCancelled),
    );
  }

  /**
   * Opens the database as it is configured in its bucket, Online or Offline. Throws `badRequest`
   * for a configuration that this version does not accept, `missing` where there is none, and what
   * the bucket throws.
   */
  static async open(
    services: DatabaseServices,
    { buckets, name, bucketName }: { buckets: OpenBuckets; name: string; bucketName: string },
  ): Promise<ServedDatabase> {
    const { clock, metrics, log } = services;
    await using opening = new AsyncDisposableStack();
    metrics.addDatabase(name);
    opening.defer(() => metrics.removeDatabase(name));
    const observer = { database: name, log: log.with({ db: name }), metrics };
    const states = new DatabaseStates(observer, clock);
    const startedMs = clock.now();
    const openBucket = await buckets.acquire(bucketName, { create: false });
    opening.defer(() => buckets.release(bucketName));
    const parts = { services, buckets, bucketName, observer, states, startedMs };
    const configuration = await readConfiguration(openBucket.bucket, { name, bucketName });
    const offline = configuration.parsed.config.offline;
    const database = await openWith(parts, openBucket, { configuration, serving: !offline });
    opening.move();
    states.enter(offline ? 'Offline' : 'Online', 'the database was loaded');
    return new ServedDatabase(parts, { openBucket, configuration, database });
  }

  get name(): string {
    return this.#configuration.stored.record.name;
  }

  get bucketName(): string {
    return this.#parts.bucketName;
  }

  /** As new requests find it. */
  get current(): Database {
    return this.#current;
  }

  /** When it is to come online, ms since 1970; undefined where no time is set. */
  get onlineAtMs(): number | undefined {
    return this.#later.atMs;
  }

  /** Of the configuration: another one with every change. */
  get version(): string {
    return configVersion(this.#configuration.stored.record);
  }

  /**
   * Resolves when it is online. Throws `unavailable` while that is not possible, and where it could
   * not be opened; then it is offline, and its state tells why.
   */
  async goOnline(): Promise<void> {
    await this.#ask('goOnline', () => this.#start('an administrator brought it online'));
  }

  /** It comes online at its time. Throws `unavailable` while that is not possible. */
  goOnlineLater(delayMs: number): void {
    if (this.states.reactionTo('goOnlineLater') === 'wait') this.#later.set(delayMs);
  }

  /**
   * Resolves when it is offline; its configuration then says so. An online that waits for its time
   * is given up.
   */
  async goOffline(): Promise<void> {
    if (this.states.reactionTo('goOffline') === 'stay') this.#later.cancel();
    await this.#ask('goOffline', async (reaction) => {
      if (reaction === 'stay') this.#later.cancel();
      const configuration = await this.#storeOffline(true);
      if (reaction === 'stop') await this.#stop('an administrator took it offline', configuration);
      else this.#adopt(configuration);
    });
  }

  /** Its bucket's changes cannot be followed any more: it goes offline, without being asked. */
  async feedLost(reason: string): Promise<void> {
    await this.#ask('feedLost', () => this.#stop(reason, this.#configuration, { inTrouble: true }));
  }

  /**
   * Changes the configuration, stores it, and serves by it: requests that are open end on the old
   * one. Throws as `changeConfiguration`, with everything as it was.
   */
  async configure(change: ConfigChange, accepts: AcceptsVersion): Promise<void> {
    await this.#ask('configure', async () => {
      const before = this.#configuration;
      const next = await this.#change(change, accepts);
      await this.#apply(next, before);
    });
  }

  /** Serves by what is stored, where another process has changed it. Throws as `configure`. */
  async refresh(): Promise<void> {
    await this.#ask('configure', async () => {
      const next = await this.#read();
      const before = this.#configuration;
      if (next.stored.cas === before.stored.cas) return;
      await checkFunctions(next.parsed.config, this.#parts.services.sandbox);
      await this.#apply(next, before);
    });
  }

  /** Forgets its configuration, takes no more requests; disposal then waits for the open ones. */
  async forget(): Promise<void> {
    await this.#exclusively(async () => {
      await removeDatabaseRecord(await this.#bucket(), this.name);
      this.#end('the database was deleted');
    });
  }

  /** Ends feeds, lets open requests finish, and gives the bucket back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#doing.catch(() => undefined); // told to whoever asked for it
    this.#end('the database is closed');
    await Promise.all([...this.#draining, this.#current[Symbol.asyncDispose]()]);
    await this.#release();
  }

  #end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#later.cancel();
    if (this.states.state === 'Online') this.states.enter('Stopping', reason);
    this.#parts.services.metrics.removeDatabase(this.name);
  }

  /** What the table says, now and again when it is this request's turn. */
  async #ask(request: StateRequest, work: (reaction: string) => Promise<void>): Promise<void> {
    if (this.states.reactionTo(request) === 'already') return;
    await this.#exclusively(async () => {
      const reaction = this.states.reactionTo(request);
      if (reaction !== 'already') await work(reaction);
    });
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#gone) throw new GatewayError('missing', `the database ${this.name} was deleted`);
      return work();
    };
    const done = this.#doing.then(run, run);
    this.#doing = done;
    return done;
  }

  async #goOnlineAtTime(isCancelled: () => boolean): Promise<void> {
    try {
      await this.#exclusively(async () => {
        if (isCancelled() || this.states.reactionTo('goOnline') !== 'start') return;
        await this.#start('the time has come at which it was to come online');
      });
    } catch (cause) {
      // NOTE: nobody waits for it; the state tells the reason too.
      this.#parts.observer.log.error('a database could not come online', { error: cause });
    }
  }

  /** From Offline to Online, with the bucket opened and the configuration read again. */
  async #start(reason: string): Promise<void> {
    this.states.enter('Starting', reason);
    this.#later.cancel();
    try {
      await this.#release();
      const openBucket = await this.#acquire();
      this.#openBucket = openBucket;
      const configuration = await this.#storeOffline(false);
      this.#current = await openWith(this.#parts, openBucket, { configuration, serving: true });
      this.#configuration = configuration;
      this.states.enter('Online', reason);
    } catch (cause) {
      const why = `it could not come online: ${messageOf(cause)}`;
      this.states.enter('Offline', why, { inTrouble: true });
      throw new GatewayError('unavailable', `the database is offline: ${why}`, { cause });
    }
  }

  /** From Online to Offline. */
  async #stop(
    reason: string,
    configuration: Configuration,
    trouble: { readonly inTrouble?: boolean } = {},
  ): Promise<void> {
    this.states.enter('Stopping', reason);
    const old = this.#current;
    this.#adopt(configuration);
    await Promise.all([...this.#draining, old[Symbol.asyncDispose]()]);
    this.states.enter('Offline', reason, trouble);
  }

  #adopt(configuration: Configuration): void {
    const { stored, parsed } = configuration;
    this.#configuration = configuration;
    this.#current = this.#current.asOffline(stored.record, parsed);
  }

  /** Serves by a configuration that is stored. */
  async #apply(next: Configuration, before: Configuration): Promise<void> {
    const { offline } = next.parsed.config;
    const reason = 'it got another configuration';
    if (this.states.state === 'Offline') {
      this.#adopt(next);
      if (!offline) await this.#start(reason);
    } else if (offline) await this.#stop(reason, next);
    else await this.#restart(next, before);
  }

  /** Online with another configuration; a request finds the old or the new one, never none. */
  async #restart(next: Configuration, before: Configuration): Promise<void> {
    try {
      await this.#reopen(next);
    } catch (cause) {
      await this.#takeBack(next, before);
      throw cause;
    }
  }

  async #reopen(configuration: Configuration): Promise<void> {
    if (this.#draining.size >= DRAINING_MAX) await Promise.race(this.#draining);
    const openBucket = (this.#openBucket ??= await this.#acquire());
    const database = await openWith(this.#parts, openBucket, { configuration, serving: true });
    const reason = 'it got another configuration';
    this.states.enter('Stopping', reason);
    this.states.enter('Starting', reason);
    const old = this.#current;
    this.#current = database;
    this.#configuration = configuration;
    this.states.enter('Online', reason);
    this.#drain(old);
  }

  #drain(old: Database): void {
    const draining = old[Symbol.asyncDispose]()
      .catch((cause: unknown) => {
        this.#parts.observer.log.error('a database could not be closed', { error: cause });
      })
      .finally(() => this.#draining.delete(draining));
    this.#draining.add(draining);
  }

  /** A configuration that is stored cannot be served: the one before is put back. */
  async #takeBack(next: Configuration, before: Configuration): Promise<void> {
    try {
      const bucket = await this.#bucket();
      const stored = await replaceDatabaseRecord(bucket, before.stored.record, next.stored.cas);
      if (stored === undefined) return;
      // Its functions may have been replaced in part: they are stored again.
      await this.#reopen({ ...before, stored });
    } catch (cause) {
      this.#parts.observer.log.error('a configuration could not be put back', { error: cause });
    }
  }

  async #change(change: ConfigChange, accepts?: AcceptsVersion): Promise<Configuration> {
    const { services, bucketName } = this.#parts;
    return changeConfiguration(await this.#bucket(), change, {
      name: this.name,
      bucketName,
      previous: this.#configuration.parsed.config,
      sandbox: services.sandbox,
      clock: services.clock,
      accepts: accepts ?? (() => true),
    });
  }

  /** As stored, saying whether it is offline; what it says already is not stored again. */
  async #storeOffline(offline: boolean): Promise<Configuration> {
    const stored = await this.#read();
    if (stored.parsed.config.offline === offline) return stored;
    return this.#change(setOffline(offline));
  }

  async #read(): Promise<Configuration> {
    return readConfiguration(await this.#bucket(), this.#named);
  }

  get #named(): { readonly name: string; readonly bucketName: string } {
    return { name: this.name, bucketName: this.#parts.bucketName };
  }

  async #bucket(): Promise<Bucket> {
    this.#openBucket ??= await this.#acquire();
    return this.#openBucket.bucket;
  }

  async #acquire(): Promise<OpenBucket> {
    return this.#parts.buckets.acquire(this.#parts.bucketName, { create: false });
  }

  async #release(): Promise<void> {
    if (this.#openBucket === undefined) return;
    this.#openBucket = undefined;
    await this.#parts.buckets.release(this.#parts.bucketName);
  }
}

async function openWith(
  { services, observer, states, startedMs }: Parts,
  openBucket: OpenBucket,
  { configuration, serving }: { readonly configuration: Configuration; readonly serving: boolean },
): Promise<Database> {
  const { stored, parsed } = configuration;
  return openDatabase(services, openBucket, {
    record: stored.record,
    parsed,
    states,
    observer,
    startedMs,
    serving,
  });
}

/** Of a failure that is no error of ours the log alone tells. */
function messageOf(cause: unknown): string {
  return isGatewayError(cause) ? cause.message : 'internal error';
}
