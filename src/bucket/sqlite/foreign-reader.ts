import { isUtf8 } from 'node:buffer';
import type { DatabaseSync } from 'node:sqlite';

import type { Cas, DocId } from '../../document/types.ts';
import type { CollectionId } from '../bucket.ts';
import {
  FOREIGN_BODY_BYTES_MAX,
  type ForeignBacklog,
  type ForeignBodyFault,
  type ForeignRecheck,
  type ForeignWrite,
  type RejectedAs,
  type RejectedWrite,
} from '../foreign-writes.ts';
import { ForeignSchema } from './foreign-schema.ts';
import { Query } from './query.ts';

/** Columns of a stranger's body, of the table of this name: see `foreignBody`. */
export const foreignBodyColumns = (table: string): string =>
  `octet_length(${table}.body),
   CASE WHEN octet_length(${table}.body) <= ${FOREIGN_BODY_BYTES_MAX} THEN ${table}.body END`;

interface ForeignBody {
  readonly body: string | null;
  readonly foreignBody?: ForeignBodyFault;
}

/**
 * What a stranger wrote as a body, as far as it is text of a bearable size. `bytes` reads it again,
 * which is seldom asked.
 */
export function foreignBody(
  length: number | null,
  text: string | null,
  bytes: () => Uint8Array | undefined,
): ForeignBody {
  if (length === null) return { body: null };
  if (text === null) return { body: null, foreignBody: 'too large' };
  if (isText(text, bytes) && !text.includes('\0')) return { body: text };
  return { body: null, foreignBody: 'not text' };
}

/** SQLite takes any bytes for text; what is none is read with the mark of a broken character. */
function isText(read: string, bytes: () => Uint8Array | undefined): boolean {
  return !read.includes('\uFFFD') || isUtf8(bytes() ?? new Uint8Array());
}

interface QueuedWrites {
  readonly writes: readonly ForeignWrite[];
  /** Positions of those whose keys cannot be told. */
  readonly unnameable: readonly number[];
}

/** Reads what strangers wrote. */
export class ForeignReader {
  readonly #schema: ForeignSchema;
  readonly #schemaVersion: Query<[version: number]>;
  readonly #newest: Query<[position: number]>;
  readonly #queued: Query<[position: number, key: DocId, queuedMs: number]>;
  readonly #keyBytes: Query<[key: Uint8Array]>;
  readonly #count: Query<[count: number]>;
  readonly #oldest: Query<[queuedMs: number]>;
  readonly #rejected: Query<[DocId, Cas, RejectedAs, string, number]>;
  readonly #countRejected: Query<[count: number]>;
  readonly #recheck: Query<[reason: string, sinceMs: number]>;

  constructor(db: DatabaseSync) {
    this.#schema = new ForeignSchema(db);
    this.#schemaVersion = new Query(db, 'PRAGMA schema_version');
    this.#newest = new Query(db, `SELECT seq FROM sqlite_sequence WHERE name = 'foreign_writes'`);
    const queue = 'foreign_writes INDEXED BY foreign_writes_collection WHERE collection = ?';
    this.#queued = new Query(
      db,
      `SELECT position, key, queued_ms FROM ${queue} AND position > ?
       ORDER BY position LIMIT abs(?)`,
    );
    this.#keyBytes = new Query(
      db,
      'SELECT CAST(key AS BLOB) FROM foreign_writes WHERE position = ?',
    );
    this.#count = new Query(db, `SELECT count(*) FROM (SELECT 1 FROM ${queue} LIMIT abs(?))`);
    this.#oldest = new Query(db, `SELECT queued_ms FROM ${queue} ORDER BY position LIMIT 1`);
    const rejected = 'cas, rejected_as, reason, at_ms FROM rejected_writes WHERE collection = ?1';
    // What was set aside has no CAS, and a name in place of a key that nobody could give back.
    this.#rejected = new Query(
      db,
      `SELECT * FROM (SELECT key AS name, ${rejected} AND cas <> 0 AND key >= ?2
                      ORDER BY key LIMIT abs(?3))
       UNION ALL SELECT 'x''' || hex(key) || '''' AS name, ${rejected} AND cas = 0 AND name >= ?2
       ORDER BY name LIMIT abs(?3)`,
    );
    this.#countRejected = new Query(
      db,
      'SELECT count(*) FROM (SELECT 1 FROM rejected_writes WHERE collection = ? LIMIT abs(?))',
    );
    this.#recheck = new Query(db, 'SELECT reason, since_ms FROM foreign_recheck');
  }

  newest(): number {
    return this.#newest.one()?.[0] ?? 0;
  }

  queued(collection: CollectionId, after: number, limit: number): QueuedWrites {
    const writes: ForeignWrite[] = [];
    const unnameable: number[] = [];
    for (const [position, key, queuedMs] of this.#queued.all(collection, after, limit)) {
      const isNameable = isText(key, () => this.#keyBytes.one(position)?.[0]);
      if (!isNameable) unnameable.push(position);
      else writes.push({ position, collection, key, queuedMs });
    }
    return { writes, unnameable };
  }

  backlog(collection: CollectionId, countMax: number): ForeignBacklog {
    const count = this.#count.one(collection, countMax)?.[0] ?? 0;
    return { count, oldestMs: this.#oldest.one(collection)?.[0] };
  }

  rejected(
    collection: CollectionId,
    after: DocId | undefined,
    limit: number,
  ): readonly RejectedWrite[] {
    return this.#rejected
      .all(collection, keyAfter(after), limit)
      .map(([key, cas, rejectedAs, reason, atMs]) => ({ key, cas, rejectedAs, reason, atMs }));
  }

  countRejected(collection: CollectionId, countMax: number): number {
    return this.#countRejected.one(collection, countMax)?.[0] ?? 0;
  }

  recheck(): ForeignRecheck | undefined {
    const [reason, sinceMs] = this.#recheck.one() ?? [];
    return reason === undefined || sinceMs === undefined ? undefined : { reason, sinceMs };
  }

  /** Another number whenever a table, index or trigger was made or dropped; about 2 µs. */
  schemaVersion(): number {
    return this.#schemaVersion.one()?.[0] ?? 0;
  }

  /** What is missing for strangers' writes to be noticed. */
  missing(): readonly string[] {
    return this.#schema.missing();
  }
}

/** The first key that may come after this one, for an index to seek: no key comes in between. */
export function keyAfter(key: DocId | undefined): string {
  return key === undefined ? '' : `${key}\0`;
}
