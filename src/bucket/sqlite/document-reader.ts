import type { DatabaseSync } from 'node:sqlite';

import type { Cas, DocId, RevId, Sequence } from '../../document/types.ts';
import type { CollectionId, RevisionBody, StoredDocument } from '../bucket.ts';
import type { CountedKeys, ScanRange } from '../scan.ts';
import { casOf } from './document-writer.ts';
import { foreignBody, foreignBodyColumns } from './foreign-reader.ts';
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
  foreignLength: number | null,
  foreignBody: string | null,
  xattrs: string | null,
  bodyCrc: number | null,
  xattrCrc: number | null,
];

type ForeignRow = readonly [
  key: DocId,
  cas: Cas,
  expiry: number,
  length: number | null,
  body: string | null,
  xattrs: string | null,
];

/** Larger ones are as good as none. */
const XATTRS_BYTES_MAX = 1024 * 1024;
const xattrsOf = (xattrs: string): string =>
  `CASE WHEN octet_length(${xattrs}) <= ${XATTRS_BYTES_MAX} THEN ${xattrs} END`;
const XATTRS = xattrsOf('coalesce(f.xattrs, d.xattrs)');

/** A body of the gateway has the sequence of its metadata as CAS; a stranger's is negative. */
const WITH_BODIES = `d.id, d.expiry, d.body, f.cas, f.expiry, ${foreignBodyColumns('f')}`;
const WITHOUT_BODIES = 'd.id, d.expiry, NULL, f.cas, f.expiry, NULL, NULL';
const documentsWith = (bodies: string): string => `
  SELECT m.key, m.seq, m.rev, m.flags, m.document, m.text, ${bodies}, ${XATTRS},
         m.body_crc, m.xattr_crc FROM metadata m
  LEFT JOIN documents d ON d.id = m.document AND d.cas = m.seq
  LEFT JOIN documents f INDEXED BY documents_foreign
    ON f.collection = m.collection AND f.key = m.key AND f.cas < 0`;
const foreignWith = (bodies: string): string =>
  `SELECT key, cas, expiry, ${bodies}, ${xattrsOf('xattrs')}
   FROM documents f INDEXED BY documents_foreign WHERE cas < 0`;
const FOREIGN = foreignWith(foreignBodyColumns('f'));
const BARE_FOREIGN = foreignWith('NULL, NULL');
const FOREIGN_IN_RANGE = 'AND collection = ? AND key >= ? AND key <= ? ORDER BY key LIMIT abs(?)';
const IN_RANGE = 'WHERE m.collection = ? AND m.key >= ? AND m.key <= ? ORDER BY m.key LIMIT abs(?)';

/** After every key of documents in the order of bytes: no UTF-8 text has this byte. */
const AFTER_ALL_KEYS = new Uint8Array([0xff]);

/** Reads documents and kept bodies. */
export class DocumentReader {
  readonly #document: Query<DocumentRow>;
  readonly #foreign: Query<ForeignRow>;
  readonly #range: Query<DocumentRow>;
  readonly #bareRange: Query<DocumentRow>;
  readonly #foreignBytes: Query<[body: Uint8Array]>;
  readonly #foreignRange: Query<ForeignRow>;
  readonly #bareForeignRange: Query<ForeignRow>;
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
    this.#foreignBytes = new Query(
      db,
      `SELECT CAST(body AS BLOB) FROM documents INDEXED BY documents_foreign
       WHERE collection = ? AND key = ? AND cas < 0`,
    );
    this.#foreignRange = new Query(db, `${FOREIGN} ${FOREIGN_IN_RANGE}`);
    this.#bareForeignRange = new Query(db, `${BARE_FOREIGN} ${FOREIGN_IN_RANGE}`);
    this.#revisionBody = new Query(
      db,
      `SELECT r.expiry, r.body, r.attachments FROM metadata m
       JOIN revision_bodies r ON r.metadata = m.id AND r.rev = ?
       WHERE m.collection = ? AND m.key = ?`,
    );
    this.#expired = new Query(
      db,
      `SELECT key FROM documents WHERE collection = ? AND expiry > 0 AND cas > 0 AND expiry <= ?
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

  /** Call it in a snapshot: a document of the gateway and one of a stranger alone are two reads. */
  get(collection: CollectionId, key: DocId): StoredDocument | undefined {
    const row = this.#document.one(collection, key);
    if (row !== undefined) return this.#stored(collection, row);
    const foreign = this.#foreign.one(collection, key);
    return foreign === undefined ? undefined : this.#foreignOnly(collection, foreign);
  }

  /** Call it in a snapshot: documents of the gateway and of strangers come from two statements. */
  scan(collection: CollectionId, range: ScanRange): readonly StoredDocument[] {
    const { start = '', after, end = AFTER_ALL_KEYS, limit } = range;
    // One lower bound, so that the index seeks to it: the first key after another is it with a NUL.
    const next = after === undefined ? '' : `${after}\0`;
    const bounds = [collection, compareBytes(start, next) > 0 ? start : next, end, limit] as const;
    const { bodies, charsMax = Infinity } = range;
    const rows = (bodies ? this.#range : this.#bareRange).each(...bounds);
    const foreignRows = (bodies ? this.#foreignRange : this.#bareForeignRange).each(...bounds);
    const own = page(rows, (row) => this.#stored(collection, row), { charsMax });
    const ownKeys = new Set(own.documents.map(({ key }) => key));
    // A foreign document with metadata is in both.
    const foreign = page(foreignRows, (row) => this.#foreignOnly(collection, row), {
      charsMax,
      without: ownKeys,
    });
    if (foreign.documents.length === 0 && !foreign.isCut) return own.documents;
    // What was cut ends with its last document: the other may have more after it.
    let documents = [...own.documents, ...foreign.documents].sort(byKeyBytes);
    for (const { isCut, documents: some } of [own, foreign]) {
      const last = isCut ? some.at(-1) : undefined;
      if (last !== undefined) documents = documents.filter((one) => byKeyBytes(one, last) <= 0);
    }
    return documents.slice(0, limit);
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

  #stored(collection: CollectionId, row: DocumentRow): StoredDocument {
    const [key, seq, rev, flags, document, text, own, ownExpiry, ownBody, foreignCas] = row;
    const [, , , , , , , , , , foreignExpiry, length, body, xattrs, bodyCrc, xattrCrc] = row;
    const isForeign = foreignCas !== null;
    return {
      key,
      cas: casOf({ seq, document, own, foreignCas }),
      ...(isForeign ? this.#foreignBody(collection, key, [length, body]) : { body: ownBody }),
      xattrs,
      expiry: (isForeign ? foreignExpiry : ownExpiry) ?? 0,
      metadata: {
        rev,
        seq,
        flags,
        cas: seq as number as Cas,
        bodyCrc: bodyCrc ?? undefined,
        xattrCrc: xattrCrc ?? undefined,
        text,
      },
    };
  }

  #foreignOnly(
    collection: CollectionId,
    [key, cas, expiry, length, body, xattrs]: ForeignRow,
  ): StoredDocument {
    const read = this.#foreignBody(collection, key, [length, body]);
    return { key, cas, ...read, xattrs, expiry, metadata: undefined };
  }

  #foreignBody(
    collection: CollectionId,
    key: DocId,
    [length, body]: readonly [number | null, string | null],
  ): ReturnType<typeof foreignBody> {
    return foreignBody(length, body, () => this.#foreignBytes.one(collection, key)?.[0]);
  }
}

/** The rows up to the one that brings the bodies to so many characters; without some keys. */
function page<Row>(
  rows: Iterable<Row>,
  documentOf: (row: Row) => StoredDocument,
  { charsMax, without }: { readonly charsMax: number; readonly without?: ReadonlySet<DocId> },
): { readonly documents: readonly StoredDocument[]; readonly isCut: boolean } {
  const documents: StoredDocument[] = [];
  let chars = 0;
  for (const row of rows) {
    const document = documentOf(row);
    if (without?.has(document.key) === true) continue;
    documents.push(document);
    chars += document.body?.length ?? 0;
    if (chars >= charsMax) return { documents, isCut: true };
  }
  return { documents, isCut: false };
}

function byKeyBytes(a: StoredDocument, b: StoredDocument): number {
  return compareBytes(a.key, b.key);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
