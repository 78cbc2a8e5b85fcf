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
import { ChannelMerge, type IndexEntry, type IndexRange } from './channel-merge.ts';
import { Query } from './query.ts';

/** Entries of the page before bodies, in order; `channel` undefined for `all`. */
interface Found {
  readonly entry: IndexEntry;
  readonly channel: string | undefined;
}

/** `large` is the row of a body that is larger than SMALL_BYTES, in whose place `body` is null. */
type StateRow = readonly [seq: Sequence, text: string, body: string | null, large: number | null];

/** Bodies up to here come with their page, however many of them are in it. */
const SMALL_BYTES = 32 * 1024;
/** Larger ones end a page where they come to more than this together; one has its place. */
const LARGE_CHARS_MAX = 2 * 1024 * 1024;

/**
 * Reads the channel index by page. Everything is an index seek: the cost follows the page and the
 * number of channels asked for, never what is stored.
 */
export class ChannelReader {
  readonly #names: ChannelNames;
  readonly #ofChannel: Query<IndexEntry>;
  readonly #ofCollection: Query<IndexEntry>;
  readonly #states: Query<StateRow>;
  readonly #body: Query<[body: string]>;

  constructor(db: DatabaseSync, names: ChannelNames) {
    this.#names = names;
    this.#ofChannel = new Query(
      db,
      `SELECT seq, metadata, flags, rev, key FROM channel_index
       WHERE channel = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT abs(?)`,
    );
    this.#ofCollection = new Query(
      db,
      `SELECT seq, id, flags, rev, key FROM metadata
       WHERE collection = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT abs(?)`,
    );
    // A body with another CAS is a stranger's that is not imported: it belongs to no channel yet.
    // One statement for a page: a third of the cost of one for each row.
    this.#states = new Query(
      db,
      `SELECT m.seq, m.text,
              CASE WHEN octet_length(d.body) <= ${SMALL_BYTES} THEN d.body END,
              CASE WHEN octet_length(d.body) > ${SMALL_BYTES} THEN d.id END
       FROM json_each(?) j CROSS JOIN metadata m ON m.id = j.value
       LEFT JOIN documents d ON d.id = m.document AND d.cas = m.seq`,
    );
    this.#body = new Query(db, 'SELECT body FROM documents WHERE id = ?');
  }

  /** Call it in a snapshot, whose end of history is `lastSequence`. */
  page(request: ChannelRequest, lastSequence: Sequence): ChannelPage {
    const { after, limit } = request;
    const upTo = Math.min(request.upTo ?? lastSequence, lastSequence);
    const found: Found[] = [];
    let sequences = 0;
    let lastSeq = after;
    let scannedTo = Math.max(after, upTo) as Sequence;
    for (const row of this.#entries(request, upTo)) {
      const [seq] = row.entry;
      if (seq !== lastSeq) {
        if (sequences === limit) {
          scannedTo = lastSeq;
          break;
        }
        sequences += 1;
        lastSeq = seq;
      }
      found.push(row);
    }
    const rows = this.#rows(found, request);
    // Cut short by what is large.
    if (rows.length < found.length) scannedTo = must(rows.at(-1), 'one has its place').seq;
    return { stale: false, rows, scannedTo, lastSequence };
  }

  *#entries(request: ChannelRequest, upTo: number): Iterable<Found> {
    const { collection, channels, after, limit } = request;
    if (channels === 'all') {
      for (const entry of this.#ofCollection.all(collection, after, upTo, limit + 1)) {
        yield { entry, channel: undefined };
      }
      return;
    }
    const known = this.#known(collection, channels);
    if (known.length === 1) {
      for (const { id, name } of known) {
        const entries = this.#ofChannel.all(id, after, upTo, limit + 1);
        for (const entry of entries) yield { entry, channel: name };
      }
      return;
    }
    const read = (id: number, range: IndexRange): readonly IndexEntry[] =>
      this.#ofChannel.all(id, range.after, upTo, range.limit);
    yield* new ChannelMerge(known, read).entries(after, limit);
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

  /** The first rows, up to a sequence for whose document there is no room. */
  #rows(found: readonly Found[], request: ChannelRequest): readonly ChannelRow[] {
    const states = this.#statesOf(found, request);
    const rows: ChannelRow[] = [];
    let largeChars = 0;
    let last: { readonly seq: Sequence; readonly body: string } | undefined;
    for (const { entry, channel } of found) {
      const [seq, , flags, rev, key] = entry;
      const row = { seq, key, rev, flags, body: null, ...(channel !== undefined && { channel }) };
      const state = wantsState(flags, request) ? states.get(seq) : undefined;
      if (state === undefined) {
        rows.push(row);
        continue;
      }
      const [, metadata, small, large] = state;
      let body = request.bodies ? small : null;
      if (request.bodies && large !== null) {
        // It is there once, though several channels hold it.
        if (last?.seq !== seq) {
          const [text] = must(this.#body.one(large), 'it is in the snapshot');
          if (largeChars > 0 && largeChars + text.length > LARGE_CHARS_MAX)
            return rows.filter((one) => one.seq < seq);
          largeChars += text.length;
          last = { seq, body: text };
        }
        ({ body } = last);
      }
      rows.push({ ...row, body, metadata });
    }
    return rows;
  }

  /** By sequence, the state of the documents that are still at it and whose state is wanted. */
  #statesOf(found: readonly Found[], request: ChannelRequest): ReadonlyMap<Sequence, StateRow> {
    const wanted = new Set<number>();
    for (const { entry } of found) if (wantsState(entry[2], request)) wanted.add(entry[1]);
    if (wanted.size === 0) return new Map();
    const rows = this.#states.all(JSON.stringify([...wanted]));
    // A document that moved on has another sequence, which is none of this page's rows of it.
    return new Map(rows.map((row) => [row[0], row]));
  }
}

function wantsState(flags: number, { bodies, branches }: ChannelRequest): boolean {
  if ((flags & FLAG.removed) !== 0) return false;
  return bodies || (branches && (flags & (FLAG.branched | FLAG.conflict)) !== 0);
}
