import type { ChannelPage, ChannelRequest, ChannelRow, CollectionId } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import type { FeedRow } from './feed-row.ts';

/** A change of a document, as the mutation feed tells it. */
export interface DocumentMutation {
  readonly seq: Sequence;
  readonly collection: CollectionId;
  readonly key: DocId;
  readonly rev: RevId;
  readonly flags: number;
  readonly channels: readonly string[];
  readonly removed: readonly string[];
}

/** A row of the index with a place for the feed row that is made of it once, for all readers. */
export interface SharedRow extends ChannelRow {
  told?: FeedRow | undefined;
}

interface TailEntry {
  readonly seq: Sequence;
  readonly collection: CollectionId;
  readonly key: DocId;
  readonly rev: RevId;
  readonly flags: number;
  readonly weight: number;
  /** A newer entry of the document took these over, as the channel index moves its entries. */
  channels: readonly string[];
  removed: readonly string[];
  /** The document has a newer entry: this one tells only what it left. */
  superseded: boolean;
  /** The document's last entry before this one that still tells something. */
  previous: TailEntry | undefined;
  whole: SharedRow | undefined;
  rows: readonly SharedRow[] | undefined;
}

/** What an entry takes besides its texts, in bytes, measured roughly. */
const ENTRY_BYTES = 400;
const CHANNEL_BYTES = 120;
/** A reader that is further behind is served by the index, which skips what is not its own. */
const ENTRIES_SCANNED_MAX = 5000;
/** Entries before the head that may wait for the array to be cut. */
const DEAD_ENTRIES_MAX = 1024;
/** Up to so many channels a list is searched faster than a set is made. */
const LIST_SEARCH_MAX = 8;

/**
 * The recent changes of a bucket, as the channel index has them, within a number of bytes. Readers
 * who keep up are served from here, without a query, and share the rows.
 */
export class Tail {
  readonly #bytesMax: number;
  readonly #newestOf = new Map<string, TailEntry>();
  /** Documents that were removed before their last entries came, with the sequences of those. */
  readonly #forgotten = new Map<string, Sequence>();
  #entries: TailEntry[] = [];
  #head = 0;
  #bytes = 0;
  /** Everything after this sequence, up to `#to`, is here. */
  #from: Sequence;
  #to: Sequence;

  constructor(options: { readonly bytesMax: number; readonly from: Sequence }) {
    this.#bytesMax = options.bytesMax;
    this.#from = options.from;
    this.#to = options.from;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Mutations come in the order of their sequences. */
  add(mutation: DocumentMutation): void {
    const name = nameOf(mutation);
    if (mutation.seq <= (this.#forgotten.get(name) ?? 0)) return;
    const old = this.#newestOf.get(name);
    const { seq, collection, key, rev, flags, channels, removed } = mutation;
    const weight = weigh(mutation);
    const entry: TailEntry = {
      seq,
      collection,
      key,
      rev,
      flags,
      weight,
      channels,
      removed,
      superseded: false,
      previous: old === undefined ? undefined : this.#supersede(old, mutation),
      whole: undefined,
      rows: undefined,
    };
    this.#newestOf.set(name, entry);
    this.#entries.push(entry);
    this.#bytes += weight;
    this.#trim();
  }

  /** Everything up to `seq` has been added. */
  reach(seq: Sequence): void {
    this.#to = seq;
    for (const [name, until] of this.#forgotten) if (until <= seq) this.#forgotten.delete(name);
  }

  /** The document was removed from the bucket, with all its entries up to `seq`. */
  forget(document: Pick<DocumentMutation, 'seq' | 'collection' | 'key'>): void {
    const name = nameOf(document);
    if (document.seq > this.#to) this.#forgotten.set(name, document.seq);
    const newest = this.#newestOf.get(name);
    if (newest === undefined || newest.seq > document.seq) return;
    this.#newestOf.delete(name);
    for (let entry: TailEntry | undefined = newest; entry !== undefined; entry = entry.previous) {
      if (entry.seq <= this.#from) break;
      entry.superseded = true;
      entry.channels = [];
      entry.removed = [];
      entry.whole = undefined;
      entry.rows = undefined;
    }
  }

  /** What happened up to `seq` is not known: forgets all. */
  skipTo(seq: Sequence): void {
    this.#entries = [];
    this.#newestOf.clear();
    this.#forgotten.clear();
    this.#head = 0;
    this.#bytes = 0;
    this.#from = seq;
    this.#to = seq;
  }

  /**
   * The page that the bucket would give, access aside; undefined where it must be asked: for
   * bodies, for branches, for what is too old or too much. /
   */
  read(request: ChannelRequest): ChannelPage | undefined {
    if (request.bodies || request.after < this.#from) return undefined;
    const start = this.#indexAfter(request.after);
    if (this.#entries.length - start > ENTRIES_SCANNED_MAX) return undefined;
    const isWanted = wanted(request.channels);
    const upTo = request.upTo ?? this.#to;
    const rows: ChannelRow[] = [];
    let sequences = 0;
    for (let i = start; i < this.#entries.length; i += 1) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.seq > upTo) break;
      if (entry.collection !== request.collection) continue;
      const before = rows.length;
      if (isWanted === undefined) pushWhole(rows, entry);
      else pushWanted(rows, entry, isWanted);
      if (rows.length === before) continue;
      if (request.branches && (entry.flags & (FLAG.conflict | FLAG.branched)) !== 0)
        return undefined;
      sequences += 1;
      if (sequences === request.limit) {
        return { stale: false, rows, scannedTo: entry.seq, lastSequence: this.#to };
      }
    }
    const scannedTo = upTo < this.#to ? upTo : this.#to;
    return { stale: false, rows, scannedTo, lastSequence: this.#to };
  }

  /** Takes from older entries of the document what the index moves to the new one. */
  #supersede(newest: TailEntry, by: DocumentMutation): TailEntry | undefined {
    newest.superseded = true;
    newest.channels = [];
    newest.whole = undefined;
    let first: TailEntry | undefined;
    let last: TailEntry | undefined;
    for (let entry: TailEntry | undefined = newest; entry !== undefined; entry = entry.previous) {
      if (entry.seq <= this.#from) break;
      entry.removed = entry.removed.filter(
        (channel) => !by.channels.includes(channel) && !by.removed.includes(channel),
      );
      entry.rows = undefined;
      if (entry.removed.length === 0) continue;
      if (last === undefined) first = entry;
      else last.previous = entry;
      last = entry;
    }
    if (last !== undefined) last.previous = undefined;
    return first;
  }

  #trim(): void {
    while (this.#bytes > this.#bytesMax) {
      const entry = this.#entries[this.#head];
      if (entry === undefined) break;
      this.#head += 1;
      this.#bytes -= entry.weight;
      this.#from = entry.seq;
      const name = nameOf(entry);
      if (this.#newestOf.get(name) === entry) this.#newestOf.delete(name);
    }
    if (this.#head <= DEAD_ENTRIES_MAX || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  #indexAfter(seq: Sequence): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && entry.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function nameOf(document: { readonly collection: CollectionId; readonly key: DocId }): string {
  return `${document.collection} ${document.key}`;
}

function weigh({ key, channels, removed }: DocumentMutation): number {
  let weight = ENTRY_BYTES + 4 * key.length;
  for (const channel of channels) weight += CHANNEL_BYTES + channel.length;
  for (const channel of removed) weight += CHANNEL_BYTES + channel.length;
  return weight;
}

function wanted(channels: readonly string[] | 'all'): ((channel: string) => boolean) | undefined {
  if (channels === 'all') return undefined;
  if (channels.length <= LIST_SEARCH_MAX) return (channel) => channels.includes(channel);
  const set = new Set(channels);
  return (channel) => set.has(channel);
}

function pushWhole(rows: ChannelRow[], entry: TailEntry): void {
  if (entry.superseded) return;
  entry.whole ??= rowOf(entry, entry.flags);
  rows.push(entry.whole);
}

function pushWanted(
  rows: ChannelRow[],
  entry: TailEntry,
  isWanted: (channel: string) => boolean,
): void {
  entry.rows ??= rowsOf(entry);
  for (const row of entry.rows) {
    if (row.channel !== undefined && isWanted(row.channel)) rows.push(row);
  }
}

function rowsOf(entry: TailEntry): SharedRow[] {
  const flags = entry.flags & ~FLAG.removed;
  const removed = FLAG.removed | (entry.flags & FLAG.deleted);
  return [
    ...entry.channels.map((channel) => ({ ...rowOf(entry, flags), channel })),
    ...entry.removed.map((channel) => ({ ...rowOf(entry, removed), channel })),
  ];
}

function rowOf({ seq, key, rev }: TailEntry, flags: number): SharedRow {
  return { seq, key, rev, flags, body: null, told: undefined };
}
