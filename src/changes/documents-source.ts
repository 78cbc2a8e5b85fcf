import {
  BATCH_MAX,
  FLAG,
  type Bucket,
  type ChannelPage,
  type ChannelRequest,
  type ChannelRow,
  type CollectionId,
  type StoredDocument,
} from '../bucket/bucket.ts';
import { parseMetadata } from '../document/sync-metadata.ts';
import type { DocId, Sequence } from '../document/types.ts';

/**
 * The channel index of a few documents, made of their metadata: so a feed of three documents costs
 * three reads, however many the channels hold. Reads them once; made anew for each page.
 */
export class DocumentsSource {
  readonly #bucket: Bucket;
  readonly #collection: CollectionId;
  readonly #keys: readonly DocId[];
  #loaded: Promise<Loaded> | undefined;

  constructor(bucket: Bucket, collection: CollectionId, keys: readonly DocId[]) {
    this.#bucket = bucket;
    this.#collection = collection;
    this.#keys = keys;
  }

  /** As `Bucket.readChannels`, of these documents. */
  async read(request: ChannelRequest): Promise<ChannelPage> {
    const { channels, after, access } = request;
    this.#loaded ??= this.#load();
    const { documents, lastSequence } = await this.#loaded;
    if (access !== undefined) {
      // After the documents were read: where it still holds, it held then.
      const { database, principals, asOf } = access;
      if ((await this.#bucket.lastAccessChange(database, principals)) > asOf) {
        return { stale: true, rows: [], scannedTo: after, lastSequence };
      }
    }
    const upTo = Math.min(request.upTo ?? lastSequence, lastSequence);
    const wanted = channels === 'all' ? undefined : new Set(channels);
    const rows = documents
      .flatMap((document) => entriesOf(document, wanted))
      .filter(({ seq }) => seq > after && seq <= upTo)
      .toSorted((a, b) => a.seq - b.seq);
    return cut(rows, request, { upTo: Math.max(after, upTo) as Sequence, lastSequence });
  }

  async #load(): Promise<Loaded> {
    // Before the documents: what is changed in between belongs to the next page.
    const lastSequence = await this.#bucket.lastSequence();
    const documents: StoredDocument[] = [];
    for (let at = 0; at < this.#keys.length; at += BATCH_MAX) {
      const keys = this.#keys.slice(at, at + BATCH_MAX);
      for (const document of await this.#bucket.getMany(this.#collection, keys)) {
        if (document !== undefined) documents.push(document);
      }
    }
    return { documents, lastSequence };
  }
}

interface Loaded {
  readonly documents: readonly StoredDocument[];
  readonly lastSequence: Sequence;
}

function entriesOf(
  { key, cas, metadata, body: storedBody }: StoredDocument,
  wanted: ReadonlySet<string> | undefined,
): readonly ChannelRow[] {
  if (metadata === undefined) return [];
  const { seq, rev, flags, text } = metadata;
  // Another CAS is a stranger's write, which is no part of this revision.
  const body = cas === metadata.cas ? storedBody : null;
  const now = { seq, key, rev, flags, body, metadata: text };
  if (wanted === undefined) return [now];
  const rows: ChannelRow[] = [];
  for (const [channel, { left }] of parseMetadata(text, seq).channels) {
    if (!wanted.has(channel)) continue;
    if (left === undefined) rows.push({ ...now, channel });
    else {
      const bits = FLAG.removed | (left.deleted ? FLAG.deleted : 0);
      rows.push({ seq: left.seq, key, rev: left.rev, flags: bits, channel, body: null });
    }
  }
  return rows;
}

function cut(
  rows: readonly ChannelRow[],
  { limit }: ChannelRequest,
  end: { readonly upTo: Sequence; readonly lastSequence: Sequence },
): ChannelPage {
  const { upTo, lastSequence } = end;
  let sequences = 0;
  for (const [index, { seq }] of rows.entries()) {
    if (rows[index - 1]?.seq === seq) continue;
    const last = rows[index - 1];
    if (sequences === limit && last !== undefined) {
      return { stale: false, rows: rows.slice(0, index), scannedTo: last.seq, lastSequence };
    }
    sequences += 1;
  }
  return { stale: false, rows, scannedTo: upTo, lastSequence };
}
