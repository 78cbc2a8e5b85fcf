import type { DocId, RevId, Sequence } from '../../document/types.ts';
import { must } from '../../util/assert.ts';

export type IndexEntry = readonly [
  seq: Sequence,
  metadata: number,
  flags: number,
  rev: RevId,
  key: DocId,
];

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

  *entries(
    after: Sequence,
    limit: number,
  ): Iterable<{ readonly entry: IndexEntry; readonly channel: string }> {
    const chunk = Math.max(CHUNK_MIN, Math.ceil((2 * limit) / (this.#channels.length + 1)));
    for (const [place, channel] of this.#channels.entries()) {
      const cursor = { channel, place, entries: [], at: 0, asked: chunk, seq: after };
      if (this.#refill(cursor, chunk)) this.#push(cursor);
    }
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      yield { entry: must(top.entries[top.at], 'the cursor is at one'), channel: top.channel.name };
      if (!this.#advance(top)) this.#dropTop();
      this.#sink();
    }
  }

  /** Whether there is a further entry. */
  #advance(cursor: Cursor): boolean {
    cursor.at += 1;
    const next = cursor.entries[cursor.at];
    if (next !== undefined) {
      cursor.seq = next[0];
      return true;
    }
    return cursor.entries.length === cursor.asked && this.#refill(cursor, cursor.asked * 2);
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
