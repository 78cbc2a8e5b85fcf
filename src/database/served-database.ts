import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { DatabaseCompanion, ServedBy } from './companion.ts';
import type { ConfigChange } from './config-change.ts';
import { setOffline } from './config-change.ts';
import type { AcceptsVersion, Configuration } from './configuration.ts';
import type { Database } from './database.ts';
import type { DatabaseRecord } from './database-record.ts';
import { configVersion } from './database-record.ts';
import type { DatabaseStates, StateRequest } from './database-states.ts';
import { DelayedOnline } from './delayed-online.ts';
import { DrainingOpenings } from './draining-openings.ts';
import { FeedGuard, feedLimits } from './feed-guard.ts';
import type { FeedTrouble } from './feed-state.ts';
import { requireUsable } from './feed-state.ts';
import type { OpenBucket } from './open-buckets.ts';
import { checkFunctions } from './open-collections.ts';
import type { DatabaseServices } from './open-database.ts';
import type { Scope } from './own-state.ts';
import { OwnState } from './own-state.ts';
import { reasonToHold, requireResync, takeOver } from './resync-hold.ts';
import type { ResyncOpening } from './resync-opening.ts';
import { openForResync } from './resync-opening.ts';
import type { ServedOptions, ServedParts } from './served-parts.ts';
import { openParts, openServed } from './served-parts.ts';

/**
 * The life of a database on this node: it goes offline and online and gets other configurations, by
 * the table of `database-states.ts`. One thing is done after the other, so that inside of one the
 * state is Online or Offline; whoever comes meanwhile is answered by the table, or waits its turn.
 */
export class ServedDatabase implements AsyncDisposable {
  readonly states: DatabaseStates;
  /** Of its bucket's changes: whether they are followed. */
  readonly feed: FeedGuard;
  readonly #parts: ServedParts;
  readonly #later: DelayedOnline;
  readonly #own = new OwnState();
  #configuration: Configuration;
  #current: Database;
  #doing: Promise<unknown> = Promise.resolve();
  #gone = false;
  /** Offline only because collections must be resynced first. */
  #isHeld = false;
  /** Aborts what runs while it is Resyncing. */
  #resyncing: AbortController | undefined;
  readonly #draining: DrainingOpenings;

  private constructor(
    parts: ServedParts,
    opened: { readonly configuration: Configuration; readonly database: Database },
  ) {
    this.#parts = parts;
    this.states = parts.states;
    this.#draining = new DrainingOpenings(parts.observer.log);
    this.#configuration = opened.configuration;
    this.#current = opened.database;
    this.#later = new DelayedOnline(parts.services.clock, (scope, isCancelled) =>
      this.#goOnlineAtTime(scope, isCancelled),
    );
    this.feed = new FeedGuard({
      ...parts,
      clock: parts.services.clock,
      limits: () => feedLimits(this.#configuration.parsed.config),
      giveUp: (trouble) => this.feedLost(trouble),
    });
    this.states.tell((change) => {
      for (const each of this.#companions) each.stateChanged?.(this.#asServed, change);
    });
  }

  /**
   * Opens the database as it is configured in its bucket, Online or Offline. Throws `badRequest`
   * for a configuration that this version does not accept, `missing` where there is none, and what
   * the bucket throws.
   */
  static async open(services: DatabaseServices, options: ServedOptions): Promise<ServedDatabase> {
    await using opening = new AsyncDisposableStack();
    const parts = await openParts(services, options, opening);
    const { states, store } = parts;
    const configuration = await store.read();
    const { offline } = configuration.parsed.config;
    const hold = offline ? undefined : await reasonToHold(parts, configuration);
    const serving = !offline && hold === undefined;
    const database = await openServed(parts, { configuration, serving });
    opening.move();
    const served = new ServedDatabase(parts, { configuration, database });
    const loaded = 'the database was loaded';
    if (hold !== undefined) served.#hold(hold);
    else if (serving) states.enter('Online', loaded);
    else states.enter('Offline', `${loaded}, offline as its configuration says`);
    return served;
  }

  get name(): string {
    return this.#configuration.stored.record.name;
  }

  get bucketName(): string {
    return this.#parts.held.name;
  }

  get #companions(): readonly DatabaseCompanion[] {
    return this.#parts.services.companions ?? [];
  }

  get #asServed(): ServedBy {
    const { config } = this.#configuration.parsed;
    const { observer } = this.#parts;
    return {
      name: this.name,
      version: this.version,
      bucket: this.openBucket?.bucket,
      config,
      observer,
    };
  }

  /** As new requests find it. */
  get current(): Database {
    return this.#current;
  }

  /**
   * Collections that must be resynced before it may serve; as far as that can be read. What is
   * online has none.
   */
  async requireResync(): Promise<readonly string[]> {
    if (this.states.state === 'Online' || this.openBucket === undefined) return [];
    try {
      return await requireResync(this.#parts, this.#configuration);
    } catch (cause) {
      // Its bucket is in trouble, which is told beside it.
      if (!isGatewayError(cause, 'unavailable')) throw cause;
      return [];
    }
  }

  /** When it is to come online, ms since 1970; undefined where no time is set. */
  get onlineAtMs(): number | undefined {
    return this.#later.atMs;
  }

  /** What this node alone is to be; undefined where it is as the configuration says. */
  get ownState(): 'Online' | 'Offline' | undefined {
    return this.#own.wanted;
  }

  /** Of the configuration: another one with every change. */
  get version(): string {
    return configVersion(this.#configuration.stored.record);
  }

  /**
   * Resolves when it is online, or still held offline by what `requireResync` tells. Throws
   * `unavailable` while that is not possible, and where it could not be opened; then it is offline,
   * and its state tells why. `group`: for all nodes that share
   * its configuration, which then says so; `node`: for this one alone.
   */
  async goOnline(scope: Scope = 'group'): Promise<void> {
    const reaction = this.states.reactionTo('goOnline');
    // It is online here alone: now it is so for all.
    if (reaction === 'already' && scope === 'group' && this.#own.wanted === 'Online')
      return this.configure(setOffline(false), () => true);
    await this.#ask('goOnline', () => this.#start('an administrator brought it online', scope));
  }

  /** It comes online at its time. Throws `unavailable` while that is not possible. */
  goOnlineLater(delayMs: number, scope: Scope = 'group'): void {
    if (this.states.reactionTo('goOnlineLater') === 'wait') this.#later.set(delayMs, scope);
  }

  /**
   * Resolves when it is offline; `scope` as for `goOnline`. An online that waits for its time is
   * given up.
   */
  async goOffline(scope: Scope = 'group'): Promise<void> {
    if (this.states.reactionTo('goOffline') === 'stay') this.#later.cancel();
    await this.#ask('goOffline', async (reaction) => {
      if (reaction === 'stay') this.#later.cancel();
      const configuration = await this.#want('Offline', scope);
      if (reaction === 'stop') await this.#stop('an administrator took it offline', configuration);
      else this.#adopt(configuration);
    });
  }

  /** Its bucket's changes cannot be followed any more: it goes offline, without being asked. */
  async feedLost(trouble: FeedTrouble): Promise<void> {
    const reason = `the feed of its bucket was lost: ${trouble.reason}`;
    this.#resyncing?.abort(new GatewayError('unavailable', reason));
    await this.#ask('feedLost', async () => {
      const { held } = this.#parts;
      this.feed.lost(trouble);
      await this.#stop(reason, this.#configuration, { inTrouble: true });
      // What has moved nobody else can open any more; what is locked can be read.
      if (held.now?.bucket.trouble?.kind === 'unreadable') await held.release();
    });
  }

  /**
   * Changes the configuration, stores it, and serves by it: requests that are open end on the old
   * one. Throws as `changeConfiguration`, with everything as it was.
   */
  async configure(change: ConfigChange, accepts: AcceptsVersion): Promise<void> {
    await this.#ask('configure', async () => {
      const before = this.#configuration;
      const next = await this.#parts.store.change(change, before.parsed.config, accepts);
      await this.#apply(next, before);
    });
  }

  /**
   * Serves by what is stored, where another process has changed it. Throws as `configure`, and then
   * goes on as it was.
   */
  async refresh(): Promise<void> {
    await this.#ask('configure', async () => {
      const next = await this.#parts.store.read();
      const before = this.#configuration;
      if (next.stored.cas === before.stored.cas) return;
      await checkFunctions(next.parsed.config, this.#parts.services.sandbox);
      await this.#follow(next, before);
    });
  }

  /** Its configurations of before that are kept, the oldest first, and the present one. */
  async versions(): Promise<readonly DatabaseRecord[]> {
    return this.#parts.store.versions(this.#configuration.stored.record);
  }

  /** A kept configuration by its number. Throws `missing` that tells which there are. */
  async keptVersion(number: number): Promise<DatabaseRecord> {
    return this.#parts.store.version(number, this.#configuration.stored.record);
  }

  /**
   * From Offline: Resyncing as long as `work` takes, by the configuration that is stored now, then
   * Offline again. Throws `unavailable` where it is not offline, and what `work` throws.
   */
  async resync(work: (opened: ResyncOpening) => Promise<void>): Promise<void> {
    this.states.reactionTo('resync');
    await this.#exclusively(async () => {
      this.states.reactionTo('resync');
      this.states.enter('Resyncing', 'its documents go through the sync function again');
      let reason = 'the resync has ended';
      this.#resyncing = new AbortController();
      try {
        await this.#resyncNow(work, this.#resyncing.signal);
      } catch (cause) {
        reason = `the resync has ended: ${messageOf(cause)}`;
        throw cause;
      } finally {
        this.#resyncing = undefined;
        this.states.enter('Offline', reason);
      }
    });
  }

  /** What its tasks work on; undefined while the bucket is away. */
  get openBucket(): OpenBucket | undefined {
    return this.#parts.held.now;
  }

  /** Forgets its configuration, takes no more requests; disposal then waits for the open ones. */
  async forget(): Promise<void> {
    this.#resyncing?.abort();
    await this.#exclusively(async () => {
      await this.#parts.store.forget();
      this.#end('the database was deleted');
    });
  }

  /** The same, where another process has deleted it; false where none has. */
  async abandon(): Promise<boolean> {
    return this.#exclusively(async () => {
      if (await this.#parts.store.isThere()) return false;
      this.#end('another node deleted the database');
      return true;
    });
  }

  /** Ends feeds, lets open requests finish, and gives the bucket back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#resyncing?.abort();
    await this.#doing.catch(() => undefined); // told to whoever asked for it
    this.#end('the database is closed');
    await Promise.all([this.#draining.ended(), this.#current[Symbol.asyncDispose]()]);
    await this.#parts.held.release();
  }

  async #resyncNow(
    work: (opened: ResyncOpening) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { services, observer, held, store } = this.#parts;
    const openBucket = await held.take();
    const configuration = await store.read();
    this.#adopt(configuration);
    await takeOver(this.#parts, configuration);
    const parts = { openBucket, configuration, observer, signal };
    await using opening = new AsyncDisposableStack();
    await work(await openForResync(services, parts, opening));
  }

  #end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#later.cancel();
    if (this.states.state === 'Online') this.states.enter('Stopping', reason);
    this.#parts.services.metrics.removeDatabase(this.name);
    for (const each of this.#companions) each.forgotten?.(this.name);
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

  async #goOnlineAtTime(scope: Scope, isCancelled: () => boolean): Promise<void> {
    try {
      await this.#exclusively(async () => {
        if (isCancelled() || this.states.reactionTo('goOnline') !== 'start') return;
        await this.#start('the time has come at which it was to come online', scope);
      });
    } catch (cause) {
      // NOTE: nobody waits for it; the state tells the reason too.
      this.#parts.observer.log.error('a database could not come online', { error: cause });
    }
  }

  /** From Offline to Online, with the bucket opened and the configuration read again. */
  async #start(reason: string, by: Scope | 'what is stored'): Promise<void> {
    this.states.enter('Starting', reason);
    this.#later.cancel();
    try {
      await requireUsable(await this.#parts.held.takeAnew());
      const isStored = by === 'what is stored';
      const configuration = await (isStored ? this.#parts.store.read() : this.#want('Online', by));
      // Who follows others says nothing against what one of them has stored meanwhile.
      const isOffline = isStored && this.#own.isOffline(configuration.parsed.config.offline);
      const hold = isOffline ? undefined : await reasonToHold(this.#parts, configuration);
      const serving = !isOffline && hold === undefined;
      // Also where it serves nobody: what it had open before is closed.
      this.#current = await openServed(this.#parts, { configuration, serving });
      this.#configuration = configuration;
      if (isOffline) return this.states.enter('Offline', 'another node took it offline');
      if (hold !== undefined) return this.#hold(hold);
      this.feed.found();
      this.#isHeld = false;
      this.states.enter('Online', reason);
    } catch (cause) {
      const why = `it could not come online: ${messageOf(cause)}`;
      this.states.enter('Offline', why, { inTrouble: true });
      throw new GatewayError('unavailable', `the database is offline: ${why}`, { cause });
    }
  }

  /** From Starting to Offline: nobody is to be served what is routed for another database. */
  #hold(reason: string): void {
    this.#isHeld = true;
    this.states.enter('Offline', reason, { inTrouble: true });
  }

  /** From Online to Offline. */
  async #stop(
    reason: string,
    configuration: Configuration,
    trouble: { readonly inTrouble?: boolean } = {},
  ): Promise<void> {
    await this.#serveNobody(reason, configuration);
    this.states.enter('Offline', reason, trouble);
  }

  /** From Online to Stopping, and to its end. */
  async #serveNobody(reason: string, configuration: Configuration): Promise<void> {
    this.states.enter('Stopping', reason);
    const old = this.#current;
    this.#adopt(configuration);
    this.#draining.add(old);
    await this.#draining.ended();
  }

  #adopt(configuration: Configuration): void {
    const { stored, parsed } = configuration;
    this.#configuration = configuration;
    this.#current = this.#current.asOffline(stored.record, parsed);
  }

  /** Serves by a configuration that an administrator of this node has stored. */
  async #apply(next: Configuration, before: Configuration): Promise<void> {
    const offline = this.#own.isOffline(next.parsed.config.offline);
    const reason = 'it got another configuration';
    if (this.states.state === 'Offline') {
      this.#adopt(next);
      if (!offline) await this.#start(reason, 'group');
    } else if (offline) await this.#stop(reason, next);
    else await this.#restart(next, before);
    this.#tellConfigured();
  }

  /** Serves by a configuration that another process has stored. */
  async #follow(next: Configuration, before: Configuration): Promise<void> {
    const { offline } = next.parsed.config;
    const isShared = this.#own.wanted === undefined;
    const isOther = isShared && offline !== before.parsed.config.offline;
    const isHeld = isShared && this.#isHeld;
    if (this.states.state === 'Offline') {
      this.#adopt(next);
      // NOTE: what went offline on this node alone, for a trouble, stays so.
      if ((isOther || isHeld) && !offline)
        await this.#start('another node brought it online', 'what is stored');
    } else if (isOther && offline) await this.#stop('another node took it offline', next);
    else await this.#reopen(next);
    this.#tellConfigured();
  }

  #tellConfigured(): void {
    for (const each of this.#companions) each.configured?.(this.#asServed);
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
    const reason = 'it got another configuration';
    const hold = await reasonToHold(this.#parts, configuration);
    if (hold !== undefined) {
      await this.#serveNobody(reason, configuration);
      this.states.enter('Starting', reason);
      return this.#hold(hold);
    }
    await this.#draining.room();
    const database = await openServed(this.#parts, { configuration, serving: true });
    this.states.enter('Stopping', reason);
    this.states.enter('Starting', reason);
    const old = this.#current;
    this.#current = database;
    this.#configuration = configuration;
    this.states.enter('Online', reason);
    this.#draining.add(old);
  }

  /** A configuration that is stored cannot be served: the one before is put back. */
  async #takeBack(next: Configuration, before: Configuration): Promise<void> {
    try {
      const again = await this.#parts.store.putBack(before, next);
      // Its functions may have been replaced in part: they are stored again.
      if (again !== undefined) await this.#reopen(again);
    } catch (cause) {
      this.#parts.observer.log.error('a configuration could not be put back', { error: cause });
    }
  }

  /** As it is stored, saying for the group what it is to be; for the node that is noted here. */
  async #want(wanted: 'Online' | 'Offline', scope: Scope): Promise<Configuration> {
    const { store } = this.#parts;
    const { config } = this.#configuration.parsed;
    let configuration = this.#configuration;
    // NOTE: of what was held, other nodes learn only by another configuration that it is no more.
    const again = this.#isHeld && wanted === 'Online';
    if (scope === 'group')
      configuration = await store.storeOffline(wanted === 'Offline', config, { again });
    else if (wanted === 'Online') configuration = await store.read();
    this.#own.want(wanted, { scope, stored: configuration.parsed.config.offline });
    return configuration;
  }
}

/** Of a failure that is no error of ours the log alone tells. */
function messageOf(cause: unknown): string {
  return isGatewayError(cause) ? cause.message : 'internal error';
}
