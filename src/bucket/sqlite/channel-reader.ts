import type { DatabaseSync } from 'node:sqlite';

import type { Sequence } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import {
  FLAG,
  type ChannelPage,
  type ChannelRequest,
  type ChannelRow,
  type CollectionId,
} from '../bucket.ts';
import type { ChannelNames } from './channel-names.ts';
import {
  ChannelMerge,
  type FoundEntries,
  type IndexEntry,
  type IndexRange,
} from './channel-merge.ts';
import { Query } from './query.ts';

/** `body`: its row, where it is larger than SMALL_BYTES; null where there is none. */
type StateRow = readonly [seq: Sequence, text: string, body: string | number | null];

/** Bodies up to here come with their page, however many of them are in it. */
const SMALL_BYTES = 32 * 1024;
/** Larger ones end a page where they come to more than this together; one has its place. */
const LARGE_CHARS_MAX = 2 * 1024 * 1024;
/** Where at least this part of a range of rows is wanted, the range is read: it needs no list. */
const DENSE = 0.8;

/**
 * Reads the channel index by page. Everything is an index seek: the cost follows the page and the
 * number of channels asked for, never what is stored.
 */
export class ChannelReader {
  readonly #names: ChannelNames;
  readonly #ofChannel: EntryQueries;
  readonly #ofCollection: EntryQueries;
  readonly #states: Query<StateRow>;
  readonly #statesBetween: Query<StateRow>;
  readonly #body: Query<[body: string]>;

  constructor(db: DatabaseSync, names: ChannelNames) {
    this.#names = names;
    this.#ofChannel = entryQueries(db, {
      metadata: 'metadata',
      from: 'channel_index WHERE channel = ?',
    });
    this.#ofCollection = entryQueries(db, {
      metadata: 'id',
      from: 'metadata WHERE collection = ?',
    });
    // A body with another CAS is a stranger's that is not imported: it belongs to no channel yet.
    // One statement for a page: a third of the cost of one for each row.
    const state = `SELECT m.seq, m.text,
        CASE WHEN octet_length(d.body) <= ${SMALL_BYTES} THEN d.body ELSE d.id END`;
    const body = 'LEFT JOIN documents d ON d.id = m.document AND d.cas = m.seq';
    this.#states = new Query(
      db,
      `${state} FROM json_each(?) j CROSS JOIN metadata m ON m.id = j.value ${body}`,
    );
    this.#statesBetween = new Query(
      db,
      `${state} FROM metadata m ${body} WHERE m.id >= ? AND m.id <= ?`,
    );
    this.#body = new Query(db, 'SELECT body FROM documents WHERE id = ?');
  }

  /** Call it in a snapshot, whose end of history is `lastSequence`. */
  page(request: ChannelRequest, lastSequence: Sequence): ChannelPage {
    const { after } = request;
    const upTo = Math.min(request.upTo ?? lastSequence, lastSequence);
    const found = this.#find(request, upTo);
    const { entries, isCut } = found;
    const rows = this.#rows(found, request);
    // Cut short by the limit, or by what is large.
    const isShort = isCut || rows.length < entries.length;
    const scannedTo = isShort
      ? must(rows.at(-1), 'one has its place').seq
      : (Math.max(after, upTo) as Sequence);
    return { stale: false, rows, scannedTo, lastSequence };
  }

  #find(request: ChannelRequest, upTo: number): FoundEntries {
    const { collection, channels, after, limit } = request;
    const kind = request.bodies || request.branches ? 'withMetadata' : 'plain';
    const more = limit + 1;
    if (channels === 'all') {
      const query = this.#ofCollection[kind];
      return cut(query.all(collection, after, upTo, more), limit, undefined);
    }
    const query = this.#ofChannel[kind];
    const known = this.#known(collection, channels);
    const [only] = known;
    if (only !== undefined && known.length === 1)
      return cut(query.all(only.id, after, upTo, more), limit, only.name);
    const read = (id: number, range: IndexRange): readonly IndexEntry[] =>
      query.all(id, range.after, upTo, range.limit);
    return new ChannelMerge(known, read).take(after, limit);
  }

  #known(
    collection: CollectionId,
    channels: readonly string[],
  ): readonly { readonly id: number; readonly name: string }[] {
    const known: { id: number; name: string }[] = [];
    for (const name of new Set(channels)) {
      const id = this.#names.find(collection, name);
      if (id !== undefined) known.push({ id, name });
    }
    return known;
  }

  /**
   * The first rows, up to a sequence for whose document there is no room. NOTE: this and what it
   * calls is most of what a row costs, so no array is taken apart by its iterator.
   */
  #rows({ entries, channels }: FoundEntries, request: ChannelRequest): readonly ChannelRow[] {
    const rows: Row[] = [];
    if (!request.bodies && !request.branches) {
      for (let at = 0; at < entries.length; at += 1) rows.push(plainRow(entries, channels, at));
      return rows;
    }
    const states = this.#statesOf(entries, request);
    let next = 0;
    let largeChars = 0;
    let last: { readonly seq: Sequence; readonly body: string } | undefined;
    for (let at = 0; at < entries.length; at += 1) {
      const row = plainRow(entries, channels, at);
      const { seq } = row;
      // A document that moved on has another sequence, which is none of this page's rows of it.
      while (next < states.length && seqOf(states[next]) < seq) next += 1;
      const state = wantsState(row.flags, request) ? states[next] : undefined;
      if (state === undefined || state[0] !== seq) {
        rows.push(row);
        continue;
      }
      row.metadata = state[1];
      const body = state[2];
      if (typeof body !== 'number') row.body = request.bodies ? body : null;
      else if (request.bodies) {
        // It is there once, though several channels hold it.
        if (last?.seq !== seq) {
          const [text] = must(this.#body.one(body), 'it is in the snapshot');
          if (largeChars > 0 && largeChars + text.length > LARGE_CHARS_MAX)
            return rows.filter((one) => one.seq < seq);
          largeChars += text.length;
          last = { seq, body: text };
        }
        row.body = last.body;
      }
      rows.push(row);
    }
    return rows;
  }

  /** In the order of sequences, the state of the documents whose state is wanted. */
  #statesOf(entries: readonly IndexEntry[], request: ChannelRequest): readonly StateRow[] {
    const wanted: number[] = [];
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    for (let at = 0; at < entries.length; at += 1) {
      const entry = must(entries[at], 'the index is within');
      const metadata = entry[4];
      // The entries of a document at its sequence stand side by side.
      if (metadata === undefined || metadata === wanted.at(-1)) continue;
      if (!wantsState(entry[1], request)) continue;
      wanted.push(metadata);
      first = Math.min(first, metadata);
      last = Math.max(last, metadata);
    }
    if (wanted.length === 0) return [];
    const isDense = wanted.length >= DENSE * (last - first + 1);
    const rows = isDense
      ? this.#statesBetween.all(first, last)
      : this.#states.all(JSON.stringify(wanted));
    return isInOrder(rows) ? rows : rows.toSorted((a, b) => a[0] - b[0]);
  }
}

function seqOf(state: StateRow | undefined): Sequence {
  return must(state, 'the index is within')[0];
}

/** Most documents are written in the order in which they were made. */
function isInOrder(rows: readonly StateRow[]): boolean {
  for (let at = 1; at < rows.length; at += 1) {
    if (seqOf(rows[at]) < seqOf(rows[at - 1])) return false;
  }
  return true;
}

/** A column that is not needed is a quarter of what an entry costs. */
interface EntryQueries {
  readonly plain: Query<IndexEntry>;
  readonly withMetadata: Query<IndexEntry>;
}

function entryQueries(
  db: DatabaseSync,
  { metadata, from }: { readonly metadata: string; readonly from: string },
): EntryQueries {
  const rest = `FROM ${from} AND seq > ? AND seq <= ? ORDER BY seq LIMIT abs(?)`;
  return {
    plain: new Query(db, `SELECT seq, flags, rev, key ${rest}`),
    withMetadata: new Query(db, `SELECT seq, flags, rev, key, ${metadata} ${rest}`),
  };
}

/** The entries of one channel, of which one more than `limit` was asked for. */
function cut(
  entries: readonly IndexEntry[],
  limit: number,
  channel: string | undefined,
): FoundEntries {
  const isCut = entries.length > limit;
  const some = isCut ? entries.slice(0, limit) : entries;
  const channels = channel === undefined ? undefined : some.map(() => channel);
  return { entries: some, channels, isCut };
}

/** While it is made. */
type Row = { -readonly [Key in keyof ChannelRow]: ChannelRow[Key] };

function plainRow(
  entries: readonly IndexEntry[],
  channels: readonly string[] | undefined,
  at: number,
): Row {
  const entry = must(entries[at], 'the index is within');
  const row: Row = { seq: entry[0], key: entry[3], rev: entry[2], flags: entry[1], body: null };
  if (channels !== undefined) row.channel = must(channels[at], 'each entry has its channel');
  return row;
}

function wantsState(flags: number, { bodies, branches }: ChannelRequest): boolean {
  if ((flags & FLAG.removed) !== 0) return false;
  return bodies || (branches && (flags & (FLAG.branched | FLAG.conflict)) !== 0);
}
