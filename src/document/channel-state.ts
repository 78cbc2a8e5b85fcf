import type { RevId, Sequence } from './types.ts';
import { ZERO } from './types.ts';

/** A channel that a document is in, or was in. */
export interface ChannelState {
  /** Where it entered, the last time. */
  readonly since: Sequence;
  /** Absent: it is in the channel. */
  readonly left?: ChannelLeft;
}

export interface ChannelLeft {
  readonly seq: Sequence;
  /** The first revision that was no longer in it. */
  readonly rev: RevId;
  /** Whether that was a deletion. */
  readonly deleted: boolean;
}

/** An earlier stay in a channel: from (inclusive) until (exclusive). */
export interface ChannelPeriod {
  readonly channel: string;
  readonly from: Sequence;
  readonly until: Sequence;
}

export interface ChannelStates {
  readonly channels: ReadonlyMap<string, ChannelState>;
  /**
   * Stays before the last one of each channel, the earliest first; the latest PAST_CHANNELS_MAX.
   */
  readonly pastChannels: readonly ChannelPeriod[];
}

/** How many earlier stays are remembered for each document. */
export const PAST_CHANNELS_MAX = 20;

export const noChannels: ChannelStates = { channels: new Map(), pastChannels: [] };

export interface ChannelMove {
  /** All channels of the revision that now wins; without duplicates. */
  readonly into: readonly string[];
  readonly rev: RevId;
  readonly deleted: boolean;
  /** The sequence that the document has before this change; 0 for a new document. */
  readonly rowSeq: Sequence;
}

export interface MovedChannels extends ChannelStates {
  /** The document's channels, and those that it leaves: for the bucket's channel index. */
  readonly in: readonly IndexEntry[];
  readonly out: readonly IndexEntry[];
}

export interface IndexEntry {
  readonly channel: string;
  /** The sequence of the entry that it replaces; 0 for none. */
  readonly replaces: Sequence;
}

/**
 * From the channels before a change to those after it. Sequences of the change itself are 0 (see
 * `sync-metadata.ts`): it does not know its own.
 */
export function moveChannels(before: ChannelStates, move: ChannelMove): MovedChannels {
  const { rev, deleted, rowSeq } = move;
  const channels = new Map<string, ChannelState>();
  const past: ChannelPeriod[] = [];
  const entered: IndexEntry[] = [];
  const left: IndexEntry[] = [];
  for (const channel of move.into) {
    const state = before.channels.get(channel);
    const stays = state !== undefined && state.left === undefined;
    channels.set(channel, stays ? state : { since: ZERO });
    entered.push({ channel, replaces: stays ? rowSeq : (state?.left?.seq ?? ZERO) });
    if (state?.left !== undefined) {
      past.push({ channel, from: state.since, until: state.left.seq });
    }
  }
  for (const [channel, state] of before.channels) {
    if (channels.has(channel)) continue;
    if (state.left !== undefined) channels.set(channel, state);
    else {
      channels.set(channel, { since: state.since, left: { seq: ZERO, rev, deleted } });
      left.push({ channel, replaces: rowSeq });
    }
  }
  const pastChannels =
    past.length === 0
      ? before.pastChannels
      : [...before.pastChannels, ...past].slice(-PAST_CHANNELS_MAX);
  return { channels, pastChannels, in: entered, out: left };
}

/** The channels that the document is in. */
export function presentChannels(states: ChannelStates): readonly string[] {
  const present: string[] = [];
  for (const [channel, { left }] of states.channels) if (left === undefined) present.push(channel);
  return present;
}
