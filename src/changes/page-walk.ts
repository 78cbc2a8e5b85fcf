import { BATCH_MAX, FLAG } from '../bucket/bucket.ts';
import type { ChannelPage, ChannelRequest, ChannelRow } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import { ZERO, type Sequence } from '../document/types.ts';
import { makeUserRow, type FeedRow } from './feed-row.ts';
import type { FeedView, Turn } from './feed-view.ts';
import { rowOf, UNMARKED, type RowMarks } from './row-maker.ts';
import type { SequenceId } from './sequence-id.ts';
import type { SharedRow } from './tail.ts';
import { TurnReading, type TurnContext } from './turn-reading.ts';

export interface WalkOptions extends TurnContext {
  /** Pages of the channel index, from wherever it is held. */
  read(request: ChannelRequest): Promise<ChannelPage>;
  /** Whether access has not changed since the view was made. */
  holds(): Promise<boolean>;
  readonly from: SequenceId;
  readonly rowsMax: number;
  readonly userRow: boolean;
}

export interface WalkedPage {
  readonly rows: readonly FeedRow[];
  /** Where the reader stands after the rows. */
  readonly at: SequenceId;
  /** Everything that there was has been looked at. */
  readonly caughtUp: boolean;
  /** Access changed before anything was found: walk again with a new view. */
  readonly stale: boolean;
}

/** So many reads make a page, though an empty one: others want to be served too. */
const READS_MAX = 8;
/** Where its rows come to so many characters, a page ends with the read that brought them. */
const CHARS_MAX = 2 * 1024 * 1024;

/**
 * Walks one page of a feed. Plain rows come in the order of their sequences, each channel from the
 * sequence on at which it is held. At each turn (a sequence T at which access begins or ended)
 * come, before plain T, the rows `T:s`: the older entries of channels that are held from T on, and
 * the documents that were lost at T.
 *
 *     plain rows … T-1 | T:3  T:7  T:9 … | T … plain rows
 *
 * Nothing is kept between pages but the position, so the next page may be walked with other access.
 */
export class PageWalk {
  readonly #options: WalkOptions;
  readonly #rows: FeedRow[] = [];
  /** Of their texts. */
  #chars = 0;
  /** Sequences read so far. */
  #scanned = 0;
  #reads = 0;
  /** How many turns the position has passed. */
  #passed = 0;
  #at: SequenceId;
  #caughtUp = false;
  /** Ended early: the page is full, too many reads were made, or access changed. */
  #ended = false;
  #stale = false;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#at = options.from;
  }

  async run(): Promise<WalkedPage> {
    const { trigger, seq } = this.#at;
    if (trigger !== undefined) {
      const turn = this.#options.view.turns().find((one) => one.trigger === trigger);
      if (turn !== undefined) await this.#walkTurn(turn, seq);
    }
    while (!this.#ended && !this.#caughtUp) await this.#walkPlain();
    const stale = this.#stale && this.#rows.length === 0;
    return { rows: this.#rows, at: this.#at, caughtUp: this.#caughtUp, stale };
  }

  /** One read of plain rows, with the turns between them. */
  async #walkPlain(): Promise<void> {
    const { view } = this.#options;
    const after = this.#plainAfter();
    const whole = view.allFrom !== undefined && view.allFrom <= after + 1;
    // Where all documents are told from a later sequence on, single channels are walked up to it.
    const upTo = whole || view.allFrom === undefined ? undefined : ((view.allFrom - 1) as Sequence);
    const page = await this.#read(whole ? 'all' : view.channels, after, upTo);
    if (page === undefined) return;
    const { rows } = page;
    for (let start = 0; start < rows.length;) {
      const row = rows[start];
      if (row === undefined) break;
      let end = start + 1;
      while (rows[end]?.seq === row.seq) end += 1;
      if (this.#before(row.seq) !== undefined && !(await this.#advance(row.seq))) return;
      this.#at = { seq: row.seq };
      this.#push(end === start + 1 ? this.#single(row) : this.#merged(rows.slice(start, end)));
      if (this.#ended) return;
      start = end;
    }
    if (!(await this.#advance(page.scannedTo))) return;
    // A position beyond the end of the history stays where it is.
    this.#at = { seq: page.scannedTo > after ? page.scannedTo : after };
    this.#caughtUp = this.#plainAfter() >= page.lastSequence;
  }

  /** The plain sequence after which to go on: after `T:s` that is T - 1. */
  #plainAfter(): Sequence {
    const { trigger, seq } = this.#at;
    return trigger === undefined ? seq : ((trigger - 1) as Sequence);
  }

  /** Tells what stands between the position and plain `seq`. False where the page ended in it. */
  async #advance(seq: Sequence): Promise<boolean> {
    for (let next = this.#before(seq); next !== undefined; next = this.#before(seq)) {
      if ('trigger' in next) await this.#walkTurn(next, ZERO);
      else {
        this.#at = { seq: next.seq };
        this.#push(makeUserRow(this.#at, next.name));
      }
      if (this.#ended) return false;
    }
    return true;
  }

  /** The turn, or the row of the user, that stands next between the position and plain `seq`. */
  #before(seq: Sequence): Turn | FeedView['user'] {
    const { view, userRow } = this.#options;
    const turn = this.#turnBefore(seq);
    const { user } = view;
    if (!userRow || user === undefined || user.seq > seq || user.seq <= this.#plainAfter()) {
      return turn;
    }
    return turn !== undefined && turn.trigger <= user.seq ? turn : user;
  }

  #turnBefore(seq: Sequence): Turn | undefined {
    const { view } = this.#options;
    const after = this.#at.trigger ?? this.#at.seq;
    if (view.lastTrigger <= after) return undefined;
    const turns = view.turns();
    while ((turns[this.#passed]?.trigger ?? Number.POSITIVE_INFINITY) <= after) this.#passed += 1;
    const turn = turns[this.#passed];
    return turn !== undefined && turn.trigger <= seq ? turn : undefined;
  }

  /** The rows `T:s` of one turn, after `T:after`. */
  async #walkTurn(turn: Turn, after: Sequence): Promise<void> {
    const { trigger } = turn;
    const reading = new TurnReading(turn, this.#options);
    this.#at = { trigger, seq: after };
    if (reading.channels.length === 0) return;
    for (let from = after; ;) {
      const page = await this.#read(reading.channels, from, reading.upTo);
      if (page === undefined) return;
      const told = await reading.tell(page.rows);
      if (reading.hasAsked && !(await this.#options.holds())) {
        this.#stale = true;
        this.#ended = true;
        return;
      }
      for (const { seq, row } of told) {
        this.#at = { trigger, seq };
        this.#push(row);
        if (this.#ended) return;
      }
      from = page.scannedTo;
      this.#at = { trigger, seq: from };
      const end = Math.min(reading.upTo ?? page.lastSequence, page.lastSequence);
      if (from >= end) return;
    }
  }

  async #read(
    channels: readonly string[] | 'all',
    after: Sequence,
    upTo: Sequence | undefined,
  ): Promise<ChannelPage | undefined> {
    const { collection, rowsMax, style, view } = this.#options;
    if (this.#reads === READS_MAX || this.#chars >= CHARS_MAX) {
      this.#ended = true;
      return undefined;
    }
    this.#reads += 1;
    const page = await this.#options.read({
      collection,
      channels,
      after,
      // Where rows are left out, reads grow.
      limit: Math.min(BATCH_MAX, Math.max(rowsMax - this.#rows.length, this.#scanned)),
      bodies: style.includeDocs,
      branches: style.allLeaves,
      ...(upTo !== undefined && { upTo }),
      ...(view.access !== undefined && { access: view.access }),
    });
    this.#scanned += page.rows.length;
    if (!page.stale) return page;
    this.#stale = true;
    this.#ended = true;
    return undefined;
  }

  /** The row of an entry that stands alone at its sequence, which is where the position is. */
  #single(entry: ChannelRow): FeedRow | undefined {
    const { style } = this.#options;
    const at = this.#at;
    const { channel } = entry;
    if (channel !== undefined && !this.#isHeld(channel, entry)) return undefined;
    // What is hidden has left all channels: who has all of them has lost it too.
    if ((entry.flags & (channel === undefined ? FLAG.hidden : FLAG.removed)) !== 0) {
      const marks: RowMarks = { removed: [channel ?? ALL_CHANNELS], gone: true, revoked: false };
      return rowOf(entry, at, { style, marks });
    }
    if (!isShared(entry)) return rowOf(entry, at, { style, marks: UNMARKED });
    if (style.activeOnly && (entry.flags & FLAG.deleted) !== 0) return undefined;
    entry.told ??= rowOf(entry, at, { style, marks: UNMARKED });
    return entry.told;
  }

  /** One row of entries at the same sequence, all of one document. */
  #merged(entries: readonly ChannelRow[]): FeedRow | undefined {
    const { style } = this.#options;
    const removed: string[] = [];
    let holding: ChannelRow | undefined;
    let leaving: ChannelRow | undefined;
    for (const entry of entries) {
      const { channel } = entry;
      if (channel === undefined || !this.#isHeld(channel, entry)) continue;
      if ((entry.flags & FLAG.removed) === 0) holding = entry;
      else {
        removed.push(channel);
        leaving = entry;
      }
    }
    if (holding !== undefined && leaving === undefined) return this.#single(holding);
    const source = holding ?? leaving;
    if (source === undefined) return undefined;
    const marks = { removed: removed.toSorted(), gone: holding === undefined, revoked: false };
    return rowOf(source, this.#at, { style, marks });
  }

  /**
   * Whether the entry is told as a plain row: those from before the channel was held are told at
   * its turn, and there too what left with the very change that opened the channel. /
   */
  #isHeld(channel: string, { seq, flags }: ChannelRow): boolean {
    const from = this.#options.view.from.get(channel);
    if (from === undefined) return false;
    return (flags & FLAG.removed) === 0 ? from <= seq : from < seq;
  }

  #push(row: FeedRow | undefined): void {
    if (row === undefined) return;
    this.#rows.push(row);
    this.#chars += row.text.length;
    if (this.#rows.length >= this.#options.rowsMax) this.#ended = true;
  }
}

/** Rows of the tail are made once for all readers. They have no bodies, and branches never. */
function isShared(entry: ChannelRow): entry is SharedRow {
  return 'told' in entry;
}
