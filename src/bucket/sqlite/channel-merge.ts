import type { DocId, RevId, Sequence } from '../../document/types.ts';
import { must } from '../../util/assert.ts';

/** `metadata` is the row of the document's metadata, where that was asked for. */
export type IndexEntry = readonly [
  seq: Sequence,
  flags: number,
  rev: RevId,
  key: DocId,
  metadata?: number,
];

/** Entries in the order of their sequences. */
export interface FoundEntries {
  readonly entries: readonly IndexEntry[];
  /** The channel of each; undefined where they are of no channel. */
  readonly channels: readonly string[] | undefined;
  /** There is more. */
  readonly isCut: boolean;
}

export interface IndexRange {
  readonly after: Sequence;
  readonly limit: number;
}

interface Channel {
  readonly id: number;
  readonly name: string;
}

interface Cursor {
  readonly channel: Channel;
  /** Its place in the request: entries of one sequence come in this order. */
  readonly place: number;
  entries: readonly IndexEntry[];
  at: number;
  /** How many entries were asked for last; fewer came: it is at its end. */
  asked: number;
  /** The sequence of the entry it stands at. */
  seq: Sequence;
}

/** The least entries that a channel is asked for: a seek costs as much as some rows. */
const CHUNK_MIN = 4;
/** A channel's first chunk is this part of its even share: most pages are of a few channels. */
const SHARE_PART = 4;

/**
 * Merges the entries of several channels in the order of their sequences. Each channel is read in
 * chunks that begin small and double, so that many channels cost a seek each, not a page each.
 */
export class ChannelMerge {
  readonly #channels: readonly Channel[];
  readonly #read: (id: number, range: IndexRange) => readonly IndexEntry[];
  /** A heap: no cursor is before the one at half its place. */
  readonly #heap: Cursor[] = [];

  constructor(
    channels: readonly Channel[],
    read: (id: number, range: IndexRange) => readonly IndexEntry[],
  ) {
    this.#channels = channels;
    this.#read = read;
  }

  /** The entries after `after` of at most `limit` sequences. Call it once. */
  take(after: Sequence, limit: number): FoundEntries {
    const chunk = Math.max(CHUNK_MIN, Math.ceil(limit / (SHARE_PART * this.#channels.length)));
    for (const [place, channel] of this.#channels.entries()) {
      const cursor = { channel, place, entries: [], at: 0, asked: chunk, seq: after };
      if (this.#refill(cursor, chunk)) this.#push(cursor);
    }
    const entries: IndexEntry[] = [];
    const channels: string[] = [];
    let sequences = 0;
    let last = after;
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.seq !== last) {
        if (sequences === limit) return { entries, channels, isCut: true };
        sequences += 1;
        last = top.seq;
      }
      entries.push(must(top.entries[top.at], 'the cursor is at one'));
      channels.push(top.channel.name);
      // A channel has each sequence once: more entries of it than there is room for are in vain.
      if (!this.#advance(top, limit - sequences + 1)) this.#dropTop();
      this.#sink();
    }
    return { entries, channels, isCut: false };
  }

  /** Whether there is a further entry; of at most `most` that are of use. */
  #advance(cursor: Cursor, most: number): boolean {
    cursor.at += 1;
    const next = cursor.entries[cursor.at];
    if (next !== undefined) {
      cursor.seq = next[0];
      return true;
    }
    if (cursor.entries.length < cursor.asked) return false;
    return this.#refill(cursor, Math.min(cursor.asked * 2, most));
  }

  #refill(cursor: Cursor, limit: number): boolean {
    cursor.entries = this.#read(cursor.channel.id, { after: cursor.seq, limit });
    cursor.asked = limit;
    cursor.at = 0;
    const [first] = cursor.entries;
    if (first !== undefined) cursor.seq = first[0];
    return first !== undefined;
  }

  #push(cursor: Cursor): void {
    const heap = this.#heap;
    let at = heap.push(cursor) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = must(heap[parent], 'a parent is in the heap');
      if (isBefore(above, cursor)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = cursor;
  }

  #dropTop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#heap[0] = last;
  }

  /** Brings the cursor at the top to its place. */
  #sink(): void {
    const heap = this.#heap;
    const cursor = heap[0];
    if (cursor === undefined) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? 2 : 1;
      const lesser = child === 2 ? right : left;
      if (lesser === undefined || isBefore(cursor, lesser)) break;
      heap[at] = lesser;
      at = 2 * at + child;
    }
    heap[at] = cursor;
  }
}

function isBefore(a: Cursor, b: Cursor): boolean {
  return a.seq < b.seq || (a.seq === b.seq && a.place < b.place);
}
