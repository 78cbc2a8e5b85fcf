import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';

import type { Cas, DocId } from '../../document/types.ts';
import { BATCH_MAX, type CollectionId } from '../bucket.ts';
import { FOREIGN_BODY_BYTES_MAX, type RejectionChange } from '../foreign-writes.ts';
import { keyAfter } from './foreign-reader.ts';
import { NOW_MS } from './lease-writer.ts';
import { Query } from './query.ts';

/** One step of a recheck looks at so many rows at most … */
const ROWS_CHECKED_MAX = 1000;
/** … and reads so many bytes of bodies: some milliseconds of the writing connection. */
const BYTES_CHECKED_MAX = 4 * 1024 * 1024;

type CheckedRow = readonly [
  id: number,
  collection: CollectionId,
  key: string,
  cas: number,
  /** Whether the metadata speaks of this row, with this CAS. */
  isOwn: number,
  bodyCrc: number | null,
  body: Uint8Array | null,
];

/** The queue of foreign writes, inside of a transaction of the gateway. */
export class ForeignWriter {
  readonly #dequeue: Query;
  readonly #unreject: Query;
  readonly #reject: Query;
  readonly #setAside: Query;
  readonly #dequeueAt: Query;
  readonly #requeueing: Readonly<Record<'all' | 'judged', Requeueing>>;
  readonly #recheck: Query<[documentsAfter: number, metadataAfter: number]>;
  readonly #checked: Query<CheckedRow>;
  readonly #stamp: Query;
  readonly #queueUnlisted: Query;
  readonly #lastMetadata: Query<[id: number | null]>;
  readonly #queueGone: Query;
  readonly #advance: Query;
  readonly #endRecheck: Query;

  constructor(db: DatabaseSync) {
    const query = (sql: string): Query => new Query(db, sql);
    this.#dequeue = query('DELETE FROM foreign_writes WHERE collection = ? AND key = ?');
    this.#unreject = query('DELETE FROM rejected_writes WHERE collection = ? AND key = ?');
    const reject =
      'INSERT OR REPLACE INTO rejected_writes (collection, key, cas, rejected_as, reason, at_ms)';
    this.#reject = query(`${reject} VALUES (?, ?, ?, ?, ?, ${NOW_MS})`);
    this.#setAside = query(
      `${reject} SELECT collection, key, 0, 'body', ?, ${NOW_MS} FROM foreign_writes
       WHERE position = ?`,
    );
    this.#dequeueAt = query('DELETE FROM foreign_writes WHERE position = ?');
    this.#requeueing = {
      // What was set aside has no CAS: whoever looks at it again sets it aside again.
      all: requeueing(db, 'cas <> 0'),
      judged: requeueing(db, `rejected_as <> 'body'`),
    };
    this.#recheck = new Query(db, 'SELECT documents_after, metadata_after FROM foreign_recheck');
    this.#checked = new Query(
      db,
      `SELECT d.id, d.collection, d.key, d.cas, coalesce(m.document = d.id AND m.seq = d.cas, 0),
              m.body_crc,
              CASE WHEN octet_length(d.body) <= ${FOREIGN_BODY_BYTES_MAX}
                   THEN CAST(d.body AS BLOB) END
       FROM documents d LEFT JOIN metadata m ON m.collection = d.collection AND m.key = d.key
       WHERE d.id > ? ORDER BY d.id LIMIT ${ROWS_CHECKED_MAX}`,
    );
    this.#stamp = query(
      'UPDATE documents SET cas = -1 - (random() & 4503599627370495) WHERE id = ?',
    );
    const unlisted = `
      NOT EXISTS (SELECT 1 FROM foreign_writes f WHERE f.collection = w.collection AND f.key = w.key)
      AND NOT EXISTS
        (SELECT 1 FROM rejected_writes r WHERE r.collection = w.collection AND r.key = w.key)`;
    const queue = 'INSERT INTO foreign_writes (collection, key, queued_ms)';
    this.#queueUnlisted = query(
      `${queue} SELECT w.collection, w.key, ${NOW_MS} FROM documents w
       WHERE w.id = ? AND ${unlisted}`,
    );
    this.#lastMetadata = new Query(
      db,
      `SELECT max(id) FROM (SELECT id FROM metadata WHERE id > ? ORDER BY id
       LIMIT ${ROWS_CHECKED_MAX})`,
    );
    this.#queueGone = query(
      `${queue} SELECT w.collection, w.key, ${NOW_MS} FROM metadata w
       WHERE w.id > ? AND w.id <= ? AND w.document <> 0 AND ${unlisted} AND NOT EXISTS
         (SELECT 1 FROM documents d WHERE d.collection = w.collection AND d.key = w.key)`,
    );
    this.#advance = query('UPDATE foreign_recheck SET documents_after = ?, metadata_after = ?');
    this.#endRecheck = query('DELETE FROM foreign_recheck');
  }

  /** The document was taken in, or is gone: it is in no list any more. */
  settle(collection: CollectionId, key: DocId): void {
    this.#dequeue.write(collection, key);
    this.#unreject.write(collection, key);
  }

  reject({ collection, key, ifCas, rejectedAs, reason }: RejectionChange): void {
    this.#dequeue.write(collection, key);
    this.#reject.write(collection, key, ifCas, rejectedAs, reason);
  }

  /** Rejects what cannot be named to anybody, by its position. */
  setAside(positions: readonly number[], reason: string): void {
    for (const position of positions) {
      this.#setAside.write(reason, position);
      this.#dequeueAt.write(position);
    }
  }

  /** As `ForeignWrites.queueRejected`. */
  queueRejected(
    collection: CollectionId,
    { after, unfit }: { readonly after?: DocId | undefined; readonly unfit: boolean },
  ): DocId | undefined {
    const { last, requeue, unreject } = this.#requeueing[unfit ? 'all' : 'judged'];
    const from = keyAfter(after);
    const to = last.one(collection, from)?.[0];
    if (to === undefined) return undefined;
    requeue.write(collection, from, to);
    unreject.write(collection, from, to);
    return to;
  }

  /** One step of a recheck; whether there is more to do. */
  recheckSome(): boolean {
    const at = this.#recheck.one();
    if (at === undefined) return false;
    const [documentsAfter, metadataAfter] = at;
    const lastDocument = this.#checkDocuments(documentsAfter);
    if (lastDocument !== undefined) {
      this.#advance.write(lastDocument, metadataAfter);
      return true;
    }
    const lastMetadata = this.#lastMetadata.one(metadataAfter)?.[0] ?? null;
    if (lastMetadata !== null) {
      this.#queueGone.write(metadataAfter, lastMetadata);
      this.#advance.write(documentsAfter, lastMetadata);
      return true;
    }
    this.#endRecheck.write();
    return false;
  }

  /** The last row that was looked at; undefined where none follows. */
  #checkDocuments(after: number): number | undefined {
    let last: number | undefined;
    let bytes = 0;
    const foreign: (readonly [id: number, cas: number])[] = [];
    for (const row of this.#checked.each(after)) {
      const [id, , , cas] = row;
      last = id;
      if (!isUnchanged(row)) foreign.push([id, cas]);
      bytes += row[6]?.byteLength ?? 0;
      if (bytes >= BYTES_CHECKED_MAX) break;
    }
    for (const [id, cas] of foreign) {
      if (cas >= 0) this.#stamp.write(id);
      this.#queueUnlisted.write(id);
    }
    return last;
  }
}

/** Statements that put some of the refused documents back into the queue. */
interface Requeueing {
  readonly last: Query<[key: DocId]>;
  readonly requeue: Query;
  readonly unreject: Query;
}

function requeueing(db: DatabaseSync, which: string): Requeueing {
  const refused = `collection = ?1 AND key >= ?2 AND ${which}`;
  return {
    last: new Query(
      db,
      `SELECT max(key) FROM (SELECT key FROM rejected_writes WHERE ${refused}
       ORDER BY key LIMIT ${BATCH_MAX}) HAVING count(*) > 0`,
    ),
    requeue: new Query(
      db,
      `INSERT OR IGNORE INTO foreign_writes (collection, key, queued_ms)
       SELECT collection, key, ${NOW_MS} FROM rejected_writes WHERE ${refused} AND key <= ?3
       ORDER BY key`,
    ),
    unreject: new Query(db, `DELETE FROM rejected_writes WHERE ${refused} AND key <= ?3`),
  };
}

/** Whether the gateway wrote it, as far as can be told: of older versions no CRC is known. */
function isUnchanged([, , , , isOwn, bodyCrc, body]: CheckedRow): boolean {
  if (isOwn === 0) return false;
  return bodyCrc === null || (body !== null && crc32(body) === bodyCrc);
}

/** As `StoredMetadata.bodyCrc`. */
export function crcOf(body: string | null): number | null {
  return body === null ? null : crc32(body);
}

/** A CAS that a stranger's write has. */
export function isForeign(cas: Cas | 'absent'): boolean {
  return cas !== 'absent' && cas < 0;
}
