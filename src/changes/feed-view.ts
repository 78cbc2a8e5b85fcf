import type { AccessPrecondition, CollectionId } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import { sequence, type Sequence } from '../document/types.ts';
import {
  accessPrecondition,
  mayRead,
  type ChannelAccess,
  type EndedPeriod,
  type Reader,
} from '../principals/access.ts';
import type { Interest } from './change-cache.ts';

/** Of which keyspace a view is, and what of it is wanted. */
export interface ViewOptions {
  readonly database: string;
  readonly collection: CollectionId;
  /** Channels to which the feed is limited; `*` for all that the reader has. */
  readonly channels: readonly string[] | undefined;
}

/** What a trigger opens and closes: see `FeedView.turns`. */
export interface Turn {
  readonly trigger: Sequence;
  /** Channels held from the trigger on: their older entries are told here. */
  readonly opened: string[];
  /** Periods that end at the trigger. */
  readonly closed: EndedPeriod[];
}

const FROM_START = sequence(0);

/** What a reader may see of a collection through a filter, as the feed needs it. Never changes. */
export class FeedView {
  /** From where each channel is held; for an administrator from the start. */
  readonly from: ReadonlyMap<string, Sequence>;
  readonly channels: readonly string[];
  /** From where every document is told, whatever its channels; undefined: nowhere. */
  readonly allFrom: Sequence | undefined;
  /** Where the row of the user stands; undefined for administrators. */
  readonly user: { readonly name: string; readonly seq: Sequence } | undefined;
  readonly access: AccessPrecondition | undefined;
  /** What a feed of this view is woken for. */
  readonly interest: Interest;
  /** The last trigger; 0 where there is none. */
  readonly lastTrigger: Sequence;
  readonly #reader: Reader;
  readonly #collection: CollectionId;
  readonly #ended: readonly EndedPeriod[];
  readonly #holdsAll: boolean;
  #turns: readonly Turn[] | undefined;

  constructor(reader: Reader, options: ViewOptions) {
    this.#reader = reader;
    this.#collection = options.collection;
    const access = reader.kind === 'user' ? reader.access : undefined;
    const held = access?.channels(options.collection);
    const filter = options.channels?.includes(ALL_CHANNELS) === true ? undefined : options.channels;
    const from = filter === undefined ? withoutAll(held) : filtered(held, filter);
    this.allFrom = filter === undefined ? allFrom(held) : undefined;
    this.from = from;
    this.channels = [...from.keys()];
    this.#ended = endedOf(held, filter);
    this.#holdsAll = allFrom(held) !== undefined;
    this.user = access && { name: access.name, seq: access.userSequence };
    this.access = access && accessPrecondition(options.database, access);
    this.interest = {
      collection: options.collection,
      channels: this.allFrom === undefined ? this.channels : 'all',
      access: this.access,
    };
    this.lastTrigger = this.#findLastTrigger();
  }

  /** Whether this was made of that reader's access as it is. */
  isOf(reader: Reader): boolean {
    if (reader.kind === 'admin' || this.#reader.kind === 'admin') {
      return reader.kind === this.#reader.kind;
    }
    return reader.access === this.#reader.access;
  }

  /** Whether the reader may see a document in these channels now, by whatever channel. */
  mayRead(channels: Iterable<string>): boolean {
    return mayRead(this.#reader, this.#collection, channels);
  }

  /**
   * The sequences at which access begins or ended, in order: there rows with a trigger are told.
   */
  turns(): readonly Turn[] {
    this.#turns ??= this.#findTurns();
    return this.#turns;
  }

  /** Ended periods of what is held again in a channel, the earliest first: for `*` all. */
  endedPeriods(channel: string): readonly EndedPeriod[] {
    if (channel === ALL_CHANNELS) return this.#ended;
    return this.#ended.filter((period) => period.channel === channel);
  }

  /** Who holds `*` has lost nothing. */
  #losses(): readonly EndedPeriod[] {
    return this.#holdsAll ? [] : this.#ended;
  }

  #findLastTrigger(): Sequence {
    let last = this.allFrom ?? FROM_START;
    for (const seq of this.from.values()) if (seq > last) last = seq;
    for (const { until } of this.#losses()) if (until > last) last = until;
    return last;
  }

  #findTurns(): readonly Turn[] {
    const turns = new Map<Sequence, Turn>();
    const at = (trigger: Sequence): Turn => {
      const turn = turns.get(trigger) ?? { trigger, opened: [], closed: [] };
      turns.set(trigger, turn);
      return turn;
    };
    for (const [channel, seq] of this.from) if (seq > 1) at(seq).opened.push(channel);
    if (this.allFrom !== undefined && this.allFrom > 1) at(this.allFrom).opened.push(ALL_CHANNELS);
    for (const period of this.#losses()) at(period.until).closed.push(period);
    return [...turns.values()].toSorted((a, b) => a.trigger - b.trigger);
  }
}

/** An administrator has everything from the start. */
function allFrom(held: ChannelAccess | undefined): Sequence | undefined {
  return held === undefined ? FROM_START : held.current.get(ALL_CHANNELS);
}

/** The channels that tell anything that `*` does not tell. */
function withoutAll(held: ChannelAccess | undefined): ReadonlyMap<string, Sequence> {
  const from = new Map<string, Sequence>();
  if (held === undefined) return from;
  const all = held.current.get(ALL_CHANNELS);
  if (all === undefined) return held.current;
  for (const [channel, seq] of held.current) if (seq < all) from.set(channel, seq);
  return from;
}

function filtered(
  held: ChannelAccess | undefined,
  filter: readonly string[],
): ReadonlyMap<string, Sequence> {
  const from = new Map<string, Sequence>();
  const all = allFrom(held);
  for (const channel of filter) {
    const own = held?.current.get(channel);
    const seq = own === undefined || (all !== undefined && all < own) ? all : own;
    if (seq !== undefined) from.set(channel, seq);
  }
  return from;
}

/** A period of `*` was one of every channel of the filter. */
function endedOf(
  held: ChannelAccess | undefined,
  filter: readonly string[] | undefined,
): readonly EndedPeriod[] {
  if (held === undefined) return [];
  if (filter === undefined) return held.ended;
  return held.ended.flatMap((period) => {
    if (period.channel === ALL_CHANNELS) return filter.map((channel) => ({ ...period, channel }));
    return filter.includes(period.channel) ? [period] : [];
  });
}
