import type { DatabaseSync } from 'node:sqlite';

import type { Cas, DocId, RevId, Sequence } from '../../document/types.ts';
import type { CollectionId, RevisionBody, StoredDocument } from '../bucket.ts';
import type { CountedKeys, ScanRange } from '../scan.ts';
import { casOf } from './document-writer.ts';
import { Query } from './query.ts';
import { isPast } from './record-writer.ts';

type DocumentRow = readonly [
  key: DocId,
  seq: Sequence,
  rev: RevId,
  flags: number,
  document: number,
  text: string,
  own: number | null,
  ownExpiry: number,
  ownBody: string | null,
  foreignCas: Cas | null,
  foreignExpiry: number,
  foreignBody: string | null,
];

type ForeignRow = readonly [key: DocId, cas: Cas, expiry: number, body: string];

/** A body of the gateway has the sequence of its metadata as CAS; a stranger's is negative. */
const WITH_BODIES = 'd.id, d.expiry, d.body, f.cas, f.expiry, f.body';
const WITHOUT_BODIES = 'd.id, d.expiry, NULL, f.cas, f.expiry, NULL';
const documentsWith = (bodies: string): string => `
  SELECT m.key, m.seq, m.rev, m.flags, m.document, m.text, ${bodies} FROM metadata m
  LEFT JOIN documents d ON d.id = m.document AND d.cas = m.seq
  LEFT JOIN documents f INDEXED BY documents_foreign
    ON f.collection = m.collection AND f.key = m.key AND f.cas < 0`;
const FOREIGN =
  'SELECT key, cas, expiry, body FROM documents INDEXED BY documents_foreign WHERE cas < 0';
const IN_RANGE = 'WHERE m.collection = ? AND m.key >= ? AND m.key <= ? ORDER BY m.key LIMIT abs(?)';

/** After every key of documents in the order of bytes: no UTF-8 text has this byte. */
const AFTER_ALL_KEYS = new Uint8Array([0xff]);

/** Reads documents and kept bodies. */
export class DocumentReader {
  readonly #document: Query<DocumentRow>;
  readonly #foreign: Query<ForeignRow>;
  readonly #range: Query<DocumentRow>;
  readonly #bareRange: Query<DocumentRow>;
  readonly #foreignRange: Query<ForeignRow>;
  readonly #revisionBody: Query<[expiry: number, body: string, attachments: string]>;
  readonly #expired: Query<[key: DocId]>;
  readonly #countKeys: Query<[count: number, last: DocId | null]>;
  readonly #countUnchanged: Query<[count: number]>;

  constructor(db: DatabaseSync) {
    this.#document = new Query(
      db,
      `${documentsWith(WITH_BODIES)} WHERE m.collection = ? AND m.key = ?`,
    );
    this.#foreign = new Query(db, `${FOREIGN} AND collection = ? AND key = ?`);
    this.#range = new Query(db, `${documentsWith(WITH_BODIES)} ${IN_RANGE}`);
    this.#bareRange = new Query(db, `${documentsWith(WITHOUT_BODIES)} ${IN_RANGE}`);
    this.#foreignRange = new Query(
      db,
      `${FOREIGN} AND collection = ? AND key >= ? AND key <= ? ORDER BY key LIMIT abs(?)`,
    );
    this.#revisionBody = new Query(
      db,
      `SELECT r.expiry, r.body, r.attachments FROM metadata m
       JOIN revision_bodies r ON r.metadata = m.id AND r.rev = ?
       WHERE m.collection = ? AND m.key = ?`,
    );
    this.#expired = new Query(
      db,
      `SELECT key FROM documents WHERE collection = ? AND expiry > 0 AND expiry <= ?
       ORDER BY expiry LIMIT abs(?)`,
    );
    this.#countKeys = new Query(
      db,
      `SELECT count(*), max(key) FROM (SELECT key FROM metadata
       WHERE collection = ? AND key > ? ORDER BY key LIMIT abs(?))`,
    );
    this.#countUnchanged = new Query(
      db,
      `SELECT count(*) FROM (SELECT 1 FROM metadata INDEXED BY metadata_seq
       WHERE collection = ? AND seq <= ? LIMIT abs(?))`,
    );
  }

  /** A document that has metadata; needs no snapshot. */
  find(collection: CollectionId, key: DocId): StoredDocument | undefined {
    const row = this.#document.one(collection, key);
    return row === undefined ? undefined : storedDocument(row);
  }

  /** Any document. Call it in a snapshot. */
  get(collection: CollectionId, key: DocId): StoredDocument | undefined {
    const found = this.find(collection, key);
    if (found !== undefined) return found;
    const foreign = this.#foreign.one(collection, key);
    return foreign === undefined ? undefined : foreignDocument(foreign);
  }

  /** Call it in a snapshot: documents of the gateway and of strangers come from two statements. */
  scan(collection: CollectionId, range: ScanRange): readonly StoredDocument[] {
    const { start = '', after, end = AFTER_ALL_KEYS, limit } = range;
    // One lower bound, so that the index seeks to it: the first key after another is it with a NUL.
    const next = after === undefined ? '' : `${after}\0`;
    const bounds = [collection, compareBytes(start, next) > 0 ? start : next, end, limit] as const;
    const query = range.bodies ? this.#range : this.#bareRange;
    const own =
      range.charsMax === undefined
        ? query.all(...bounds).map(storedDocument)
        : cutAt(query.each(...bounds), range.charsMax);
    const ownKeys = new Set(own.map(({ key }) => key));
    const foreign = this.#foreignRange
      .all(...bounds)
      .filter(([key]) => !ownKeys.has(key))
      .map(foreignDocument);
    if (foreign.length === 0) return own;
    const cut = own.length < limit && range.charsMax !== undefined ? own.at(-1) : undefined;
    const within = cut === undefined ? foreign : foreign.filter((one) => byKeyBytes(one, cut) < 0);
    const documents = [...own, ...within].sort(byKeyBytes).slice(0, limit);
    return range.bodies ? documents : documents.map((document) => ({ ...document, body: null }));
  }

  revisionBody(
    at: { readonly collection: CollectionId; readonly key: DocId; readonly rev: RevId },
    nowSecs: number,
  ): RevisionBody | undefined {
    const row = this.#revisionBody.one(at.rev, at.collection, at.key);
    if (row === undefined || isPast(row[0], nowSecs)) return undefined;
    return { body: row[1], attachments: JSON.parse(row[2]) as RevisionBody['attachments'] };
  }

  countKeys(collection: CollectionId, after: string, limit: number): CountedKeys {
    const [count, last] = this.#countKeys.one(collection, after, limit) ?? [0, null];
    return { count, last: last ?? undefined };
  }

  countUnchangedSince(collection: CollectionId, seq: Sequence, limit: number): number {
    return this.#countUnchanged.one(collection, seq, limit)?.[0] ?? 0;
  }

  expired(collection: CollectionId, nowSecs: number, limit: number): readonly DocId[] {
    return this.#expired.all(collection, nowSecs, limit).map(([key]) => key);
  }
}

/** The rows up to the one that brings the bodies to so many characters. */
function cutAt(rows: Iterable<DocumentRow>, charsMax: number): readonly StoredDocument[] {
  const documents: StoredDocument[] = [];
  let chars = 0;
  for (const row of rows) {
    const document = storedDocument(row);
    documents.push(document);
    chars += document.body?.length ?? 0;
    if (chars >= charsMax) break;
  }
  return documents;
}

function storedDocument(row: DocumentRow): StoredDocument {
  const [key, seq, rev, flags, document, text, own, ownExpiry, ownBody, foreignCas] = row;
  const foreign = foreignCas !== null;
  return {
    key,
    cas: casOf({ seq, document, own, foreignCas }),
    body: foreign ? row[11] : ownBody,
    expiry: (foreign ? row[10] : ownExpiry) ?? 0,
    metadata: { rev, seq, flags, cas: seq as number as Cas, text },
  };
}

function foreignDocument([key, cas, expiry, body]: ForeignRow): StoredDocument {
  return { key, cas, body, expiry, metadata: undefined };
}

function byKeyBytes(a: StoredDocument, b: StoredDocument): number {
  return compareBytes(a.key, b.key);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
