import type { DatabaseSync } from 'node:sqlite';

import { Query } from './query.ts';

/** Of the moment, ms since 1970. NOTE: `unixepoch('subsec')` is not known to SQLite before 3.42. */
const STRANGERS_NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

const RANDOM_CAS = '-1 - (random() & 4503599627370495)';
const BY_STRANGER = '(SELECT writing FROM bucket) = 0';

/** In a trigger no conflict clause of its own holds, only the stranger's: so nothing conflicts. */
const dequeued = (row: 'NEW' | 'OLD'): string => `
    DELETE FROM rejected_writes WHERE collection = ${row}.collection AND key = ${row}.key;
    DELETE FROM foreign_writes WHERE collection = ${row}.collection AND key = ${row}.key;`;
const queued = `${dequeued('NEW')}
    INSERT INTO foreign_writes (collection, key, queued_ms)
    VALUES (NEW.collection, NEW.key, ${STRANGERS_NOW_MS});`;
/** What is gone is queued where a gateway has a revision of it. */
const queuedAsGone = `${dequeued('OLD')}
    INSERT INTO foreign_writes (collection, key, queued_ms)
    SELECT OLD.collection, OLD.key, ${STRANGERS_NOW_MS} FROM metadata
    WHERE collection = OLD.collection AND key = OLD.key AND document <> 0;`;
const stamped = `UPDATE documents SET cas = ${RANDOM_CAS} WHERE id = NEW.id;`;

/**
 * The triggers that put what strangers write into the queue, by name. They run inside of the
 * stranger's statement, by the stranger's SQLite, which may be of an older version (3.37 and later:
 * strict tables).
 *
 * Whose write it is tells `bucket.writing`, which is 1 only inside of a gateway's transaction: the
 * lock for writing makes it unseen by anybody else. A stranger's row gets another negative CAS,
 * whatever the statement says it be.
 *
 * NOTE: another text here is noticed in every file: its triggers are made again, and all of its
 * documents rechecked. A migration that makes them spares that.
 *
 * NOTE: `UPDATE OF` names columns that strangers set, so that the stamp of the triggers themselves,
 * which sets the CAS alone, starts none of them again, also with `PRAGMA recursive_triggers`.
 */
const TRIGGERS: Readonly<Record<string, string>> = {
  documents_foreign_insert: `AFTER INSERT ON documents WHEN ${BY_STRANGER}
  BEGIN
    ${stamped}${queued}
  END`,
  documents_foreign_update: `AFTER UPDATE OF id, collection, key, expiry, body, xattrs ON documents
  WHEN ${BY_STRANGER}
  BEGIN
    ${stamped}${queued}
  END`,
  documents_foreign_move: `AFTER UPDATE OF collection, key ON documents
  WHEN ${BY_STRANGER} AND (OLD.collection <> NEW.collection OR OLD.key <> NEW.key)
  BEGIN${queuedAsGone}
  END`,
  documents_foreign_cas: `AFTER UPDATE OF cas ON documents
  WHEN ${BY_STRANGER} AND NEW.cas >= 0
  BEGIN
    ${stamped}${queued}
  END`,
  documents_foreign_delete: `AFTER DELETE ON documents WHEN ${BY_STRANGER}
  BEGIN${queuedAsGone}
  END`,
};

const triggerSql = (name: string, text: string): string => `CREATE TRIGGER ${name} ${text}`;

/** Everything that the triggers need, made where it is absent. */
const QUEUE = `
  CREATE TABLE IF NOT EXISTS foreign_writes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    queued_ms INTEGER NOT NULL,
    UNIQUE (collection, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS foreign_writes_collection ON foreign_writes (collection);
  CREATE TABLE IF NOT EXISTS rejected_writes (
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    cas INTEGER NOT NULL,
    rejected_as TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS foreign_recheck (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    documents_after INTEGER NOT NULL,
    metadata_after INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS documents_foreign ON documents (collection, key) WHERE cas < 0;
  CREATE INDEX IF NOT EXISTS documents_expiry ON documents (collection, expiry)
    WHERE expiry > 0 AND cas > 0;`;

const ALL_TRIGGERS = Object.entries(TRIGGERS)
  .map(([name, text]) => `${triggerSql(name, text)};`)
  .join('\n');

/** For a queue that takes the place of a lost one: nobody counts so far. */
const POSITIONS_ABOVE_ALL_BEFORE = `
  INSERT INTO sqlite_sequence (name, seq) VALUES ('foreign_writes', ${STRANGERS_NOW_MS})`;

/** Statement of a recheck from the beginning, for a reason. */
const beginRecheck = (reason: string): string => `
  INSERT OR REPLACE INTO foreign_recheck (id, reason, since_ms, documents_after, metadata_after)
  SELECT 1, ${reason}, ${STRANGERS_NOW_MS}, 0, 0`;

/**
 * The migration that brings the queue. What strangers wrote and deleted before it is found by a
 * recheck; what they wrote is queued at once.
 */
export const FOREIGN_WRITES_MIGRATION = `
  ALTER TABLE bucket ADD COLUMN writing INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE documents ADD COLUMN xattrs TEXT;
  ALTER TABLE metadata ADD COLUMN body_crc INTEGER;
  ALTER TABLE metadata ADD COLUMN xattr_crc INTEGER;
  DROP TRIGGER IF EXISTS documents_foreign_update;
  DROP INDEX IF EXISTS documents_expiry;
  ${QUEUE}
  ${ALL_TRIGGERS}
  INSERT INTO foreign_writes (collection, key, queued_ms)
    SELECT collection, key, ${STRANGERS_NOW_MS} FROM documents INDEXED BY documents_foreign
    WHERE cas < 0 ORDER BY collection, key;
  ${beginRecheck("'the bucket was made by an older version'")}
    WHERE EXISTS (SELECT 1 FROM documents) OR EXISTS (SELECT 1 FROM metadata);`;

const QUEUE_PARTS = [
  'foreign_writes',
  'foreign_writes_collection',
  'rejected_writes',
  'foreign_recheck',
  'documents_foreign',
  'documents_expiry',
] as const;

/** Finds out what is missing for foreign writes to be queued. */
export class ForeignSchema {
  readonly #parts: Query<[name: string, sql: string]>;

  constructor(db: DatabaseSync) {
    this.#parts = new Query(
      db,
      `SELECT name, sql FROM sqlite_schema WHERE tbl_name IN
       ('documents', 'foreign_writes', 'rejected_writes', 'foreign_recheck') AND sql IS NOT NULL`,
    );
  }

  /** Names of what is missing or is not as it was made. */
  missing(): readonly string[] {
    const parts = new Map(this.#parts.all());
    const triggers = Object.entries(TRIGGERS);
    const broken = triggers.filter(([name, text]) => parts.get(name) !== triggerSql(name, text));
    return [...QUEUE_PARTS.filter((name) => !parts.has(name)), ...broken.map(([name]) => name)];
  }
}

/**
 * Makes again what is missing of tables, indexes and triggers, and gives its names. A recheck
 * begins: while it was missing, anything may have been written.
 */
export function mendForeignSchema(db: DatabaseSync): readonly string[] {
  const schema = new ForeignSchema(db);
  if (schema.missing().length === 0) return [];
  const own = !db.isTransaction;
  if (own) db.exec('BEGIN IMMEDIATE');
  try {
    const missing = schema.missing();
    if (missing.length > 0) {
      const reason = `'it was missing in the file of the bucket: ${missing.join(', ')}'`;
      for (const name of Object.keys(TRIGGERS)) db.exec(`DROP TRIGGER IF EXISTS ${name}`);
      db.exec(`${QUEUE}\n${ALL_TRIGGERS}\n${beginRecheck(reason)}`);
      if (missing.includes('foreign_writes')) db.exec(POSITIONS_ABOVE_ALL_BEFORE);
    }
    if (own) db.exec('COMMIT');
    return missing;
  } catch (cause) {
    if (own && db.isTransaction) db.exec('ROLLBACK');
    throw cause;
  }
}
