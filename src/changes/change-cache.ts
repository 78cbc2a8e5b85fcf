import type { Bucket, ChannelPage, ChannelRequest } from '../bucket/bucket.ts';
import {
  BATCH_MAX,
  type CollectionId,
  type Mutation,
  type MutationPage,
} from '../bucket/bucket.ts';
import { sequence, type DocId, type Sequence } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { isGatewayError } from '../util/errors.ts';
import { ChangeMarks } from './change-marks.ts';
import { FeedViews } from './feed-views.ts';
import type { Interest } from './interest.ts';
import { principalMarks } from './interest.ts';
import { Listener } from './listener.ts';
import { missedRemovals, untoldSequences } from './missed-removals.ts';
import { SharedPages } from './shared-pages.ts';
import { Tail } from './tail.ts';

export interface ChangeCacheOptions {
  readonly bucket: Bucket;
  readonly log: Log;
  readonly clock: Clock;
  /** Bytes of recent changes to keep. */
  readonly tailBytesMax?: number;
  /** Channels (a collection) and principals whose newest sequence is kept. */
  readonly namesMax?: number;
}

/** The bucket's mutations cannot be read. */
export interface LostFeed {
  /** Of the last attempt. */
  readonly reason: string;
  /** ms since 1970. */
  readonly sinceMs: number;
}

export interface CacheFigures {
  /** Of the history, that were followed; `documents`: those of documents. */
  readonly changes: number;
  readonly documents: number;
  /** Of channels that are kept in memory; `listenedTo`: those that a feed waits for. */
  readonly names: number;
  readonly listenedTo: number;
}

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
const NAMES_MAX = 50_000;
const BACKOFF_FIRST_MS = 25;
const BACKOFF_MOST_MS = 10_000;
/** Beside the names of channels, which are never empty: a collection as a whole. */
const WHOLE = '';

/**
 * What is new in a bucket, kept in memory by following its mutations: one for each open bucket. It
 * answers "has anything of this reader's changed?" with a comparison, serves readers who keep up
 * without a query, and wakes a listener only when one of its channels or principals changed.
 */
export class ChangeCache implements AsyncDisposable {
  readonly #bucket: Bucket;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #namesMax: number;
  /** What happened before is not known: where the cache began, or what it skipped. */
  #knownFrom: Sequence;
  readonly #stop = new AbortController();
  readonly #collections = new Map<CollectionId, ChangeMarks>();
  readonly #principals: ChangeMarks;
  readonly #tail: Tail;
  /** Views of readers, for all feeds that are of one access. */
  readonly views = new FeedViews();
  /** Pages of the tail, for all feeds that stand at one place. */
  readonly pages = new SharedPages();
  /** Who waits until a sequence is reached. */
  readonly #waiting = new Set<Listener>();
  #caughtUpTo: Sequence;
  #changes = 0;
  #documents = 0;
  #lost: LostFeed | undefined;
  #retry = new AbortController();
  #following: Promise<void> = Promise.resolve();

  private constructor(options: ChangeCacheOptions, startedAt: Sequence) {
    this.#bucket = options.bucket;
    this.#log = options.log.with({ key: 'Cache' });
    this.#clock = options.clock;
    this.#namesMax = options.namesMax ?? NAMES_MAX;
    this.#knownFrom = startedAt;
    this.#caughtUpTo = startedAt;
    this.#principals = this.#newMarks();
    this.#tail = new Tail({ bytesMax: options.tailBytesMax ?? TAIL_BYTES_MAX, from: startedAt });
  }

  /**
   * Starts to follow from the end of the bucket's history. Ends with its disposal, before the
   * bucket's.
   */
  static async start(options: ChangeCacheOptions): Promise<ChangeCache> {
    const cache = new ChangeCache(options, await options.bucket.lastSequence());
    cache.#following = cache.#follow(cache.#stop.signal);
    return cache;
  }

  /** Everything up to here is known. */
  get caughtUpTo(): Sequence {
    return this.#caughtUpTo;
  }

  /** For figures, since the start. `names`: of channels that are kept. */
  get figures(): CacheFigures {
    let names = 0;
    let listenedTo = 0;
    for (const marks of this.#collections.values()) {
      names += marks.size;
      listenedTo += marks.listenedTo;
    }
    return { changes: this.#changes, documents: this.#documents, names, listenedTo };
  }

  /** Why, and since when, the bucket's mutations cannot be read; undefined while they can. */
  get lost(): LostFeed | undefined {
    return this.#lost;
  }

  /** What was lost is tried again now, not after the pause that has grown. */
  retryNow(): void {
    this.#retry.abort();
    this.#retry = new AbortController();
  }

  /**
   * Resolves when `caughtUpTo` has reached `seq`, or `signal` aborts, or the cache is disposed of.
   */
  async atLeast(seq: Sequence, signal: AbortSignal): Promise<void> {
    using listener = new Listener();
    this.#waiting.add(listener);
    try {
      while (this.#caughtUpTo < seq && !signal.aborted && !this.#stop.signal.aborted) {
        await listener.above(this.#caughtUpTo, signal);
      }
    } finally {
      this.#waiting.delete(listener);
    }
  }

  /** Whether anything of these may have changed after `seq`, as far as the cache is caught up. */
  mayHaveChanged(interest: Interest, seq: Sequence): boolean {
    const upTo = this.#caughtUpTo;
    if (seq >= upTo) return false;
    const { unchanged } = interest;
    if (unchanged !== undefined && unchanged.upTo === upTo && unchanged.after <= seq) return false;
    if (this.#anyChanged(interest, seq)) return true;
    interest.unchanged = { after: seq, upTo };
    return false;
  }

  #anyChanged({ collection, channels, principals }: Interest, seq: Sequence): boolean {
    if (this.#accessMayHaveChanged(principals, seq)) return true;
    const marks = this.#marksOf(collection);
    if (channels === 'all') return marks.newest(WHOLE) > seq;
    for (const channel of channels) if (marks.newest(channel) > seq) return true;
    return false;
  }

  /** A page of what the tail holds, access checked; undefined where the bucket must be asked. */
  read(request: ChannelRequest): ChannelPage | undefined {
    const { access } = request;
    if (access !== undefined && this.#accessMayHaveChanged(principalMarks(access), access.asOf))
      return undefined;
    return this.#tail.read(request);
  }

  /**
   * A document was removed as if it had never been: what is held of it up to `seq`, or is still on
   * its way here, is not told any more.
   */
  forget(document: {
    readonly collection: CollectionId;
    readonly key: DocId;
    readonly seq: Sequence;
  }): void {
    this.#tail.forget(document);
    this.pages.drop();
  }

  /** Raises `listener` for all that concerns `interest`, until `unsubscribe` with the same. */
  subscribe(listener: Listener, interest: Interest): void {
    const marks = this.#marksOf(interest.collection);
    const { channels, principals } = interest;
    if (channels === 'all') marks.listen(WHOLE, listener);
    else for (const channel of channels) marks.listen(channel, listener);
    for (const name of principals) this.#principals.listen(name, listener);
  }

  unsubscribe(listener: Listener, interest: Interest): void {
    const marks = this.#marksOf(interest.collection);
    const { channels, principals } = interest;
    if (channels === 'all') marks.unlisten(WHOLE, listener);
    else for (const channel of channels) marks.unlisten(channel, listener);
    for (const name of principals) this.#principals.unlisten(name, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#waiting) listener.raise(sequence(Number.MAX_SAFE_INTEGER));
    await this.#following;
  }

  /** Restarts what fails, with growing pauses, until the cache is disposed of. */
  async #follow(signal: AbortSignal): Promise<void> {
    let pauseMs = BACKOFF_FIRST_MS;
    while (!signal.aborted) {
      const before = this.#caughtUpTo;
      try {
        await this.#followOnce(signal);
      } catch (cause) {
        const { sinceMs } = this.#lost ?? { sinceMs: this.#clock.now() };
        this.#lost = { sinceMs, reason: isGatewayError(cause) ? cause.message : 'internal error' };
        this.#log.warn('the mutation feed was lost', { cause, since: sinceMs, pauseMs });
      }
      if (signal.aborted) return;
      pauseMs =
        this.#caughtUpTo > before ? BACKOFF_FIRST_MS : Math.min(2 * pauseMs, BACKOFF_MOST_MS);
      await this.#clock.sleep(pauseMs, AbortSignal.any([signal, this.#retry.signal]));
    }
  }

  async #followOnce(signal: AbortSignal): Promise<void> {
    if (this.#lost !== undefined) {
      // Nothing to read, but readable: the loss is over. Where there is, the first page will tell.
      if ((await this.#bucket.lastSequence()) === this.#caughtUpTo) this.#found();
    }
    for await (const page of this.#bucket.mutations(this.#caughtUpTo, signal)) {
      await this.#take(page);
      this.#found();
    }
  }

  #found(): void {
    if (this.#lost === undefined) return;
    this.#log.warn('the mutation feed is back', { lostSince: this.#lost.sinceMs });
    this.#lost = undefined;
  }

  async #take(page: MutationPage): Promise<void> {
    const untold = untoldSequences(page, this.#caughtUpTo);
    const isCut = page.mutations.length >= BATCH_MAX || page.upTo - this.#caughtUpTo >= BATCH_MAX;
    if (untold.size > 0 && isCut) {
      // What took the untold places may stand beyond this page: a reader that far behind asks the
      // bucket.
      this.#caughtUpTo = page.upTo;
      this.#skip(page.upTo);
    } else {
      const missed = await missedRemovals(this.#bucket, page, untold);
      this.#caughtUpTo = page.upTo;
      this.#tell(missed, page);
    }
    for (const listener of this.#waiting) listener.raise(page.upTo);
  }

  #skip(seq: Sequence): void {
    this.#knownFrom = seq;
    this.#tail.skipTo(seq);
    this.pages.drop();
    this.#principals.raiseAll(seq);
    for (const marks of this.#collections.values()) marks.raiseAll(seq);
    this.#log.debug?.('changes were skipped', { seq });
  }

  #tell(missed: readonly Mutation[], page: MutationPage): void {
    const all =
      missed.length === 0
        ? page.mutations
        : [...missed, ...page.mutations].toSorted((a, b) => a.seq - b.seq);
    this.#changes += all.length;
    for (const mutation of all) {
      if (mutation.kind !== 'document') continue;
      this.#documents += 1;
      this.#tail.add(mutation);
    }
    this.#tail.reach(page.upTo);
    this.pages.drop();
    for (const mutation of all) this.#raise(mutation);
  }

  #raise(mutation: Mutation): void {
    if (mutation.kind === 'access') {
      this.#principals.raise(`${mutation.database} ${mutation.principal}`, mutation.seq);
      return;
    }
    const marks = this.#marksOf(mutation.collection);
    marks.raise(WHOLE, mutation.seq);
    for (const channel of mutation.channels) marks.raise(channel, mutation.seq);
    for (const channel of mutation.removed) marks.raise(channel, mutation.seq);
  }

  #accessMayHaveChanged(principals: readonly string[], seq: Sequence): boolean {
    for (const name of principals) if (this.#principals.newest(name) > seq) return true;
    return false;
  }

  #marksOf(collection: CollectionId): ChangeMarks {
    let marks = this.#collections.get(collection);
    if (marks === undefined) {
      marks = this.#newMarks();
      this.#collections.set(collection, marks);
    }
    return marks;
  }

  #newMarks(): ChangeMarks {
    return new ChangeMarks({ namesMax: this.#namesMax, knownFrom: this.#knownFrom });
  }
}
