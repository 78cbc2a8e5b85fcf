import type { Bucket, ChannelPage, ChannelRequest, CollectionId } from '../bucket/bucket.ts';
import { parseDocId } from '../document/doc-id.ts';
import { ZERO, type DocId, type Sequence } from '../document/types.ts';
import { changesRead } from '../observability/events.ts';
import type { Observer } from '../observability/events.ts';
import type { EndedPeriod, Reader } from '../principals/access.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { ChangeCache } from './change-cache.ts';
import { DocumentsSource } from './documents-source.ts';
import type { FeedRow } from './feed-row.ts';
import type { FeedView } from './feed-view.ts';
import type { Interest } from './interest.ts';
import { Listener } from './listener.ts';
import { PageWalk, type WalkedPage } from './page-walk.ts';
import { compareSequenceIds, type SequenceId } from './sequence-id.ts';
import type { FoundPage, PagePlace } from './shared-pages.ts';

export interface FeedSource {
  readonly bucket: Bucket;
  readonly cache: ChangeCache;
  readonly database: string;
  readonly collection: CollectionId;
  readonly observer: Observer;
  /**
   * Whose feed it is, with its access as of now. Throws `unauthorized` where it may no longer read.
   */
  reader(): Promise<Reader>;
}

export interface ChangesFeedOptions {
  readonly since: SequenceId;
  /** Rows at most; 0 for all. */
  readonly limit: number;
  readonly style: 'main_only' | 'all_docs';
  /** No tombstones, no removals, no revocations. */
  readonly activeOnly: boolean;
  readonly includeDocs: boolean;
  /** Only these; `*` for all that the reader has. */
  readonly channels?: readonly string[];
  /** Only these documents, whatever their channels; those that cannot be ids are skipped. */
  readonly docIds?: readonly string[];
  /** Tell a user of the documents that it lost with a channel or role. */
  readonly revocations: boolean;
}

export interface FeedPage {
  readonly rows: readonly FeedRow[];
  /** Where the reader stands now: the `since` to go on with. */
  readonly lastSeq: SequenceId;
  /** All that there was has been told: the end of a one-shot feed, else time to `wait`. */
  readonly caughtUp: boolean;
  /** The limit is reached. */
  readonly ended: boolean;
}

/** Where the pages of a walk come from. */
interface Reading {
  read(request: ChannelRequest): Promise<ChannelPage>;
  /** Whether all that was read so far was in the tail. */
  isOfTail(): boolean;
}

/** Rows of a page. */
const ROWS_MAX = 1000;
/** Rows of a page with documents: it starts with some, and follows their size. */
const DOCS_FIRST = 100;
const DOCS_MAX = 500;
const PAGE_CHARS_LOW = 256 * 1024;
const PAGE_CHARS_HIGH = 2 * 1024 * 1024;
/** Walks of one page, each with newer access, before the reader is told to come again. */
const WALKS_MAX = 20;

/**
 * The only feed: normal, longpoll, continuous, WebSocket, BLIP and replication are ways to send it.
 * A cursor without any state but its position: a waiting feed is this small object. Each page is
 * read with the access that the reader has at that moment (invariant 2), and the position of any
 * row is where another feed may go on (invariant 3). One call at a time. Dispose of it when done. /
 */
export class ChangesFeed implements Disposable {
  readonly #source: FeedSource;
  readonly #options: ChangesFeedOptions;
  readonly #docIds: readonly DocId[] | undefined;
  #at: SequenceId;
  #left: number;
  #view: FeedView | undefined;
  /** As of which the access was that the feed began with; undefined before its first page. */
  #beganAsOf: Sequence | undefined;
  #docsMax = DOCS_FIRST;
  #listener: Listener | undefined;
  #subscribed: Interest | undefined;
  /** Pages since the last wait: between them others have their turn. */
  #pages = 0;
  /** What was there when the feed began has been told: new changes may come from the tail. */
  #follows = false;

  constructor(source: FeedSource, options: ChangesFeedOptions) {
    this.#source = source;
    this.#options = options;
    this.#docIds = options.docIds && documentIds(options.docIds);
    this.#at = options.since;
    this.#left = options.limit === 0 ? Number.POSITIVE_INFINITY : options.limit;
  }

  /** Where the reader stands. */
  get lastSeq(): SequenceId {
    return this.#at;
  }

  /**
   * The next rows; none where there is nothing new, or where much was looked at in vain (then
   * `caughtUp` is false). Nothing, and no error, once `signal` aborts. Throws what `reader()`
   * throws, and `unavailable` where the bucket cannot be read or access changes too fast. /
   */
  async nextPage(signal: AbortSignal): Promise<FeedPage> {
    if (this.#pages > 0) await turn();
    this.#pages += 1;
    if (this.#left === 0 || signal.aborted) return this.#page([], false);
    for (let walks = 0; walks < WALKS_MAX; walks += 1) {
      const end = this.#follows ? ZERO : await this.#source.bucket.lastSequence();
      const view = (await this.#holding()) ?? this.#viewOf(await this.#source.reader());
      if (!this.#follows && this.#isQuiet(view, end)) {
        if (end > this.#at.seq) this.#at = { seq: end };
        this.#follows = true;
        return this.#page([], true);
      }
      const walked = await this.#walkedPage(view);
      if (!walked.stale) return this.#take(walked);
      if (signal.aborted) return this.#page([], false);
    }
    throw new GatewayError('unavailable', 'The access of the user changes too fast; try again');
  }

  /**
   * Resolves when there may be more than was told, or `signal` aborts. After a page that was caught
   * up.
   */
  wait(signal: AbortSignal): Promise<void> {
    const interest = this.#interest();
    this.#listener ??= new Listener();
    if (interest !== this.#subscribed) {
      this.#unsubscribe();
      this.#source.cache.subscribe(this.#listener, interest);
      this.#subscribed = interest;
    }
    this.#pages = 0;
    if (this.#source.cache.mayHaveChanged(interest, this.#at.seq)) return turn();
    return this.#listener.above(this.#at.seq, signal);
  }

  /**
   * The pages that hold rows, and those that are caught up; to the end of what there is or, with
   * `follow`, of whatever comes until `signal` aborts. Ends at the limit.
   */
  async *pages(
    signal: AbortSignal,
    options: { readonly follow: boolean },
  ): AsyncGenerator<FeedPage, void, undefined> {
    while (!signal.aborted) {
      const page = await this.nextPage(signal);
      if (signal.aborted) return;
      if (page.rows.length > 0 || page.caughtUp || page.ended) yield page;
      if (page.ended || (page.caughtUp && !options.follow)) return;
      if (page.caughtUp) await this.wait(signal);
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#listener?.[Symbol.dispose]();
  }

  /** The view of the page before; undefined where access may have changed since. */
  async #holding(): Promise<FeedView | undefined> {
    const view = this.#view;
    if (view?.access === undefined) return view;
    const { bucket, database } = this.#source;
    return (await bucket.lastAccessChange(database)) <= view.access.asOf ? view : undefined;
  }

  #viewOf(reader: Reader): FeedView {
    const { cache, database, collection } = this.#source;
    if (this.#view?.isOf(reader) !== true) {
      const { channels } = this.#options;
      this.#view = cache.views.of(reader, { database, collection, channels });
    }
    this.#beganAsOf ??= this.#view.access?.asOf ?? ZERO;
    return this.#view;
  }

  /** Whether memory alone tells that nothing came after the position, up to `end`. */
  #isQuiet(view: FeedView, end: Sequence): boolean {
    const { cache } = this.#source;
    const { seq, trigger } = this.#at;
    if (trigger !== undefined || cache.caughtUpTo < end || view.lastTrigger > seq) return false;
    if (view.user !== undefined && view.user.seq > seq) return false;
    return !cache.mayHaveChanged(this.#interest(), seq);
  }

  async #walkedPage(view: FeedView): Promise<WalkedPage> {
    const place = this.#sharedPlace(view);
    if (place === undefined) return (await this.#walk(view)).page;
    return await this.#source.cache.pages.at(place, () => this.#walk(view));
  }

  async #walk(view: FeedView): Promise<FoundPage> {
    const { bucket, collection } = this.#source;
    const { activeOnly, includeDocs, revocations, style } = this.#options;
    const reading = this.#reading();
    const walk = new PageWalk({
      bucket,
      collection,
      view,
      read: (request) => reading.read(request),
      holds: () => this.#holds(view),
      mayHold: (period) => this.#mayHold(period),
      from: this.#at,
      rowsMax: Math.min(this.#left, includeDocs ? this.#docsMax : ROWS_MAX),
      style: { allLeaves: style === 'all_docs', activeOnly, includeDocs },
      userRow: this.#docIds === undefined,
      revocations,
    });
    const page = await walk.run();
    return { page, isOfAll: reading.isOfTail() && !page.stale };
  }

  /**
   * Undefined where more is to be told than new rows of the tail, or less: then the page depends on
   * what the feed was told before, or is of this feed alone.
   */
  #sharedPlace(view: FeedView): PagePlace | undefined {
    const { seq, trigger } = this.#at;
    const { activeOnly, includeDocs, style } = this.#options;
    if (!this.#follows || includeDocs || this.#docIds !== undefined) return undefined;
    if (trigger !== undefined || view.lastTrigger > seq) return undefined;
    if ((view.user !== undefined && view.user.seq > seq) || this.#left < ROWS_MAX) return undefined;
    return { view, from: seq, allLeaves: style === 'all_docs', activeOnly };
  }

  /** What is new is read from the tail, where it is there; older pages always from the bucket. */
  #reading(): Reading {
    const { bucket, cache, collection, observer } = this.#source;
    if (this.#docIds !== undefined) {
      const documents = new DocumentsSource(bucket, collection, this.#docIds);
      return { read: (request) => documents.read(request), isOfTail: () => false };
    }
    let isOfTail = true;
    const read = async (request: ChannelRequest): Promise<ChannelPage> => {
      const page = this.#follows ? cache.read(request) : undefined;
      if (this.#follows) changesRead(observer, page === undefined ? 'bucket' : 'memory');
      if (page === undefined) isOfTail = false;
      return page ?? (await bucket.readChannels(request));
    };
    return { read, isOfTail: () => isOfTail };
  }

  async #holds({ access }: FeedView): Promise<boolean> {
    if (access === undefined) return true;
    const { database, principals, asOf } = access;
    return (await this.#source.bucket.lastAccessChange(database, principals)) <= asOf;
  }

  /**
   * A reader that began before a period did, when the period had ended already, was told nothing by
   * it: rows that it brought stand behind where the period began.
   */
  #mayHold({ from, until }: EndedPeriod): boolean {
    const began = this.#beganAsOf ?? ZERO;
    const beforePeriod = { seq: (from - 1) as Sequence };
    return until > began || compareSequenceIds(this.#options.since, beforePeriod) > 0;
  }

  #take({ rows, at, caughtUp }: WalkedPage): FeedPage {
    this.#at = at;
    this.#left -= rows.length;
    if (caughtUp) this.#follows = true;
    if (this.#options.includeDocs) this.#followSize(rows);
    return this.#page(rows, caughtUp);
  }

  #page(rows: readonly FeedRow[], caughtUp: boolean): FeedPage {
    return { rows, lastSeq: this.#at, caughtUp, ended: this.#left === 0 };
  }

  /** Pages with documents of any size take about the same memory. */
  #followSize(rows: readonly FeedRow[]): void {
    let chars = 0;
    for (const row of rows) chars += row.text.length;
    if (chars > PAGE_CHARS_HIGH) this.#docsMax = Math.max(1, this.#docsMax >> 2);
    else if (chars < PAGE_CHARS_LOW) this.#docsMax = Math.min(DOCS_MAX, this.#docsMax * 2);
  }

  /** The same object as long as the view is the same. */
  #interest(): Interest {
    const view = this.#view;
    if (view === undefined) throw new Error('bug: a feed waits only after a page');
    return view.interest;
  }

  #unsubscribe(): void {
    if (this.#subscribed === undefined || this.#listener === undefined) return;
    this.#source.cache.unsubscribe(this.#listener, this.#subscribed);
    this.#subscribed = undefined;
  }
}

/** What others have to do comes first. */
async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function documentIds(texts: readonly string[]): readonly DocId[] {
  const ids = new Set<DocId>();
  for (const text of texts) {
    try {
      ids.add(parseDocId(text));
    } catch (cause) {
      // There is no such document: nothing to tell.
      if (!isGatewayError(cause, 'badRequest')) throw cause;
    }
  }
  return [...ids];
}
