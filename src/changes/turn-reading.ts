import { FLAG, type ChannelRow } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import type { Sequence } from '../document/types.ts';
import type { EndedPeriod } from '../principals/access.ts';
import type { FeedRow } from './feed-row.ts';
import type { Turn } from './feed-view.ts';
import { tellLost, type LostCandidate, type LostContext } from './lost-documents.ts';
import { rowOf, UNMARKED } from './row-maker.ts';
import type { SequenceId } from './sequence-id.ts';

export interface TurnContext extends LostContext {
  /** Whether losses of access are told. */
  readonly revocations: boolean;
  /** Whether the client of this feed may hold documents from an ended period of access. */
  mayHold(period: EndedPeriod): boolean;
}

/** What is read and told at one turn. */
export class TurnReading {
  readonly channels: readonly string[] | 'all';
  readonly upTo: Sequence | undefined;
  readonly #options: TurnContext;
  readonly #trigger: Sequence;
  readonly #opened: ReadonlySet<string>;
  readonly #closed: readonly EndedPeriod[];
  readonly #earlier: readonly EndedPeriod[];
  /** All, where the client was not told of what it lost, and so may hold what has gone since. */
  readonly #untold: readonly EndedPeriod[];
  /**
   * Documents of which a loss was told in this page: one row is enough, whatever it was lost with.
   */
  readonly #lost = new Set<string>();
  #hasAsked = false;

  constructor({ trigger, opened, closed }: Turn, options: TurnContext) {
    const { view, style, revocations } = options;
    this.#options = options;
    this.#trigger = trigger;
    this.#opened = new Set(opened);
    const tellsLosses = !style.activeOnly;
    const held = (period: EndedPeriod): boolean => options.mayHold(period);
    this.#closed = tellsLosses && revocations ? closed.filter(held) : [];
    this.#earlier = tellsLosses
      ? opened.flatMap((channel) => view.endedPeriods(channel)).filter(held)
      : [];
    this.#untold =
      tellsLosses && !revocations && opened.length > 0
        ? view.endedPeriods(ALL_CHANNELS).filter(held)
        : [];
    const names = new Set([...opened, ...this.#closed.map(({ channel }) => channel)]);
    this.channels = names.has(ALL_CHANNELS) ? 'all' : [...names];
    // What is in a lost channel may have been changed since; what left a channel that was held
    // before may have left it with this very change.
    this.upTo = this.#closed.length > 0 ? undefined : trigger;
  }

  /** Whether the state of documents was asked beside the index: later than the view's access. */
  get hasAsked(): boolean {
    return this.#hasAsked;
  }

  /**
   * The rows of a page of the index, in its order; undefined for what is looked at and not told.
   */
  async tell(
    entries: readonly ChannelRow[],
  ): Promise<readonly { readonly seq: Sequence; readonly row: FeedRow | undefined }[]> {
    const candidates: LostCandidate[] = [];
    const told: { readonly seq: Sequence; row: FeedRow | undefined }[] = [];
    const open: number[] = [];
    for (const group of groupsOf(entries)) {
      const at = { trigger: this.#trigger, seq: group[0].seq };
      const holding = group.find((entry) => this.#isOpened(entry));
      if (holding !== undefined) {
        const row = rowOf(holding, at, { style: this.#options.style, marks: UNMARKED });
        told.push({ seq: at.seq, row });
        continue;
      }
      const candidate = this.#candidate(at, group);
      if (candidate === undefined) continue;
      open.push(told.length);
      candidates.push(candidate);
      told.push({ seq: at.seq, row: undefined });
    }
    if (candidates.length === 0) return told;
    this.#hasAsked = true;
    const rows = await tellLost(candidates, this.#options);
    for (const [index, place] of open.entries()) {
      const entry = told[place];
      const row = rows[index];
      if (entry === undefined || row === undefined || this.#lost.has(row.id)) continue;
      this.#lost.add(row.id);
      entry.row = row;
    }
    return told;
  }

  /**
   * Tombstones and removals of a channel that is new to the reader are not its business, as far as
   * it never held the document.
   */
  #isOpened({ seq, flags, channel = ALL_CHANNELS }: ChannelRow): boolean {
    return (
      seq < this.#trigger &&
      (flags & (FLAG.removed | FLAG.deleted | FLAG.hidden)) === 0 &&
      this.#opened.has(channel)
    );
  }

  /** A tombstone of a channel that is new to the reader. */
  #isBuried({ seq, flags, channel = ALL_CHANNELS }: ChannelRow): boolean {
    const marks = flags & (FLAG.removed | FLAG.deleted);
    return seq < this.#trigger && marks === FLAG.deleted && this.#opened.has(channel);
  }

  #candidate(at: SequenceId, entries: readonly ChannelRow[]): LostCandidate | undefined {
    const concerns = (period: EndedPeriod): boolean =>
      entries.some(({ channel = period.channel }) => channel === period.channel);
    const closed = this.#closed.filter(concerns);
    let earlier = at.seq <= this.#trigger ? this.#earlier.filter(concerns) : [];
    if (this.#untold.length > 0 && entries.some((entry) => this.#isBuried(entry)))
      earlier = [...this.#untold];
    if (closed.length === 0 && earlier.length === 0) return undefined;
    return { at, entries, closed, earlier, opened: [...this.#opened] };
  }
}

function* groupsOf(entries: readonly ChannelRow[]): Iterable<[ChannelRow, ...ChannelRow[]]> {
  let group: [ChannelRow, ...ChannelRow[]] | undefined;
  for (const entry of entries) {
    if (group !== undefined && group[0].seq === entry.seq) group.push(entry);
    else {
      if (group !== undefined) yield group;
      group = [entry];
    }
  }
  if (group !== undefined) yield group;
}
