import type { AccessPrecondition, CollectionId } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import { sequence, type Sequence } from '../document/types.ts';
import {
  accessPrecondition,
  mayRead,
  type ChannelAccess,
  type EndedPeriod,
  type Reader,
  type UserAccess,
} from '../principals/access.ts';
import { principalMarks, type Interest } from './interest.ts';

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

/** What of a view follows from the channels that the reader has, and their filter. */
interface Rights {
  readonly from: ReadonlyMap<string, Sequence>;
  readonly channels: readonly string[];
  readonly allFrom: Sequence | undefined;
  readonly ended: readonly EndedPeriod[];
  readonly holdsAll: boolean;
  readonly interest: Interest;
  readonly lastTrigger: Sequence;
  turns: readonly Turn[] | undefined;
}

/** What a reader may see of a collection through a filter, as the feed needs it. Never changes. */
export class FeedView {
  /** Where the row of the user stands; undefined for administrators. */
  readonly user: { readonly name: string; readonly seq: Sequence } | undefined;
  readonly access: AccessPrecondition | undefined;
  readonly #reader: Reader;
  readonly #options: ViewOptions;
  readonly #rights: Rights;

  /** `rights`: where they are known, of the same access as it was before. */
  constructor(reader: Reader, options: ViewOptions, rights?: Rights) {
    this.#reader = reader;
    this.#options = options;
    const access = reader.kind === 'user' ? reader.access : undefined;
    this.user = access && { name: access.name, seq: access.userSequence };
    this.access = access && accessPrecondition(options.database, access);
    this.#rights = rights ?? rightsOf(access, this.access, options);
  }

  /** From where each channel is held; for an administrator from the start. */
  get from(): ReadonlyMap<string, Sequence> {
    return this.#rights.from;
  }

  get channels(): readonly string[] {
    return this.#rights.channels;
  }

  /** From where every document is told, whatever its channels; undefined: nowhere. */
  get allFrom(): Sequence | undefined {
    return this.#rights.allFrom;
  }

  /** What a feed of this view is woken for. */
  get interest(): Interest {
    return this.#rights.interest;
  }

  /** The last trigger; 0 where there is none. */
  get lastTrigger(): Sequence {
    return this.#rights.lastTrigger;
  }

  /** Whether this was made of that reader's access as it is. */
  isOf(reader: Reader): boolean {
    if (reader.kind === 'admin' || this.#reader.kind === 'admin') {
      return reader.kind === this.#reader.kind;
    }
    return reader.access === this.#reader.access;
  }

  isWith({ database, collection, channels }: ViewOptions): boolean {
    const own = this.#options;
    if (own.database !== database || own.collection !== collection) return false;
    return own.channels === channels || isSameList(own.channels, channels);
  }

  /**
   * The view of an access that differs from this one's only in how late it was found to hold;
   * undefined where it differs in more.
   */
  renewed(reader: Reader): FeedView | undefined {
    if (reader.kind === 'admin' || this.#reader.kind === 'admin') return undefined;
    const [before, now] = [this.#reader.access, reader.access];
    const isSame =
      now.channels === before.channels && now.roles === before.roles && now.name === before.name;
    return isSame ? new FeedView(reader, this.#options, this.#rights) : undefined;
  }

  /** Whether the reader may see a document in these channels now, by whatever channel. */
  mayRead(channels: Iterable<string>): boolean {
    return mayRead(this.#reader, this.#options.collection, channels);
  }

  /**
   * The sequences at which access begins or ended, in order: there rows with a trigger are told.
   */
  turns(): readonly Turn[] {
    this.#rights.turns ??= turnsOf(this.#rights);
    return this.#rights.turns;
  }

  /** Ended periods of what is held again in a channel, the earliest first: for `*` all. */
  endedPeriods(channel: string): readonly EndedPeriod[] {
    const { ended } = this.#rights;
    return channel === ALL_CHANNELS ? ended : ended.filter((period) => period.channel === channel);
  }
}

function rightsOf(
  access: UserAccess | undefined,
  precondition: AccessPrecondition | undefined,
  { collection, channels }: ViewOptions,
): Rights {
  const held = access?.channels(collection);
  const filter = channels?.includes(ALL_CHANNELS) === true ? undefined : channels;
  const from = filter === undefined ? withoutAll(held) : filtered(held, filter);
  const all = filter === undefined ? allFrom(held) : undefined;
  const names = [...from.keys()];
  const rights = {
    from,
    channels: names,
    allFrom: all,
    ended: endedOf(held, filter),
    holdsAll: allFrom(held) !== undefined,
    interest: {
      collection,
      channels: all === undefined ? names : ('all' as const),
      principals: precondition === undefined ? [] : principalMarks(precondition),
    },
    turns: undefined,
  };
  return { ...rights, lastTrigger: lastTriggerOf(rights) };
}

/** Who holds `*` has lost nothing. */
function lossesOf({ holdsAll, ended }: Pick<Rights, 'holdsAll' | 'ended'>): readonly EndedPeriod[] {
  return holdsAll ? [] : ended;
}

function lastTriggerOf(rights: Omit<Rights, 'lastTrigger'>): Sequence {
  let last = rights.allFrom ?? FROM_START;
  for (const seq of rights.from.values()) if (seq > last) last = seq;
  for (const { until } of lossesOf(rights)) if (until > last) last = until;
  return last;
}

function turnsOf(rights: Rights): readonly Turn[] {
  const turns = new Map<Sequence, Turn>();
  const at = (trigger: Sequence): Turn => {
    const turn = turns.get(trigger) ?? { trigger, opened: [], closed: [] };
    turns.set(trigger, turn);
    return turn;
  };
  const { from, allFrom: all } = rights;
  for (const [channel, seq] of from) if (seq > 1) at(seq).opened.push(channel);
  if (all !== undefined && all > 1) at(all).opened.push(ALL_CHANNELS);
  for (const period of lossesOf(rights)) at(period.until).closed.push(period);
  return [...turns.values()].toSorted((a, b) => a.trigger - b.trigger);
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  return a.every((name, index) => name === b[index]);
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
