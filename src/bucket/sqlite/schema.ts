import type { DatabaseSync } from 'node:sqlite';

import { GatewayError } from '../../util/errors.ts';
import { FOREIGN_WRITES_MIGRATION } from './foreign-schema.ts';

/** `Tide` in ASCII: says in the file's header whose file it is. */
const APPLICATION_ID = 0x54696465;

/**
 * The schema of a bucket's file, one migration a version. A migration that was released never
 * changes: append a new one.
 *
 * `documents` is the one table that applications may read and write with plain SQL:
 * `INSERT OR REPLACE INTO documents (key, body) VALUES ('a', '{}')` writes to the default
 * collection, which always has the number 1; `collections` tells the numbers of the others.
 * Everything else is the gateway's own.
 *
 * Whose write it was tells `documents.cas`: the gateway's commit gives the positive sequence of the
 * document, a stranger's write a random negative number (by the column's default or the trigger),
 * so the two never collide, and the index `documents_foreign` holds what strangers wrote and is not
 * taken in. A stranger's DELETE leaves a `metadata` row whose `document` is gone. Triggers put both
 * into the queue `foreign_writes` (`foreign-schema.ts`). `metadata.document` is the row of the
 * body, 0 for a tombstone.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE bucket (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL,
    seq INTEGER NOT NULL,
    record_cas INTEGER NOT NULL
  ) STRICT;
  INSERT INTO bucket VALUES (1, lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-'
    || hex(randomblob(6))), 0, 0);

  CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  INSERT INTO collections VALUES (1, '_default._default');

  CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL DEFAULT 1,
    key TEXT NOT NULL,
    cas INTEGER NOT NULL DEFAULT (-1 - (random() & 4503599627370495))
      CHECK (cas BETWEEN -9007199254740991 AND 9007199254740991),
    expiry INTEGER NOT NULL DEFAULT 0 CHECK (expiry BETWEEN 0 AND 9007199254740991),
    body TEXT NOT NULL,
    UNIQUE (collection, key)
  ) STRICT;
  CREATE INDEX documents_foreign ON documents (collection, key) WHERE cas < 0;
  CREATE INDEX documents_expiry ON documents (collection, expiry) WHERE expiry > 0;
  CREATE TRIGGER documents_foreign_update AFTER UPDATE ON documents WHEN NEW.cas = OLD.cas
  BEGIN
    UPDATE documents SET cas = -1 - (random() & 4503599627370495) WHERE id = NEW.id;
  END;

  CREATE TABLE metadata (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    rev TEXT NOT NULL,
    flags INTEGER NOT NULL,
    document INTEGER NOT NULL,
    channels TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (collection, key)
  ) STRICT;
  CREATE UNIQUE INDEX metadata_seq ON metadata (collection, seq);

  CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (collection, name)
  ) STRICT;
  CREATE TABLE channel_index (
    channel INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    metadata INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    rev TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (channel, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE revision_bodies (
    id INTEGER PRIMARY KEY,
    metadata INTEGER NOT NULL,
    rev TEXT NOT NULL,
    expiry INTEGER NOT NULL,
    attachments TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (metadata, rev)
  ) STRICT;
  CREATE INDEX revision_bodies_expiry ON revision_bodies (expiry) WHERE expiry > 0;

  CREATE TABLE principals (
    id INTEGER PRIMARY KEY,
    database TEXT NOT NULL,
    principal TEXT NOT NULL,
    value TEXT,
    seq INTEGER NOT NULL,
    access_version INTEGER NOT NULL,
    UNIQUE (database, principal)
  ) STRICT;
  CREATE INDEX principals_version ON principals (access_version);
  CREATE INDEX principals_database_version ON principals (database, access_version);
  CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    database TEXT NOT NULL,
    principal TEXT NOT NULL,
    kind TEXT NOT NULL,
    collection INTEGER NOT NULL,
    target TEXT NOT NULL,
    source_collection INTEGER NOT NULL,
    source TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    until_seq INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX grants_principal ON grants (database, principal);
  CREATE INDEX grants_source ON grants (source_collection, source)
    WHERE until_seq = 0 AND source_collection > 0;

  CREATE TABLE records (
    kind TEXT NOT NULL,
    database TEXT NOT NULL,
    id TEXT NOT NULL,
    cas INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, database, id)
  ) STRICT;
  CREATE INDEX records_expiry ON records (expiry) WHERE expiry > 0;

  CREATE TABLE attachments (
    id INTEGER PRIMARY KEY,
    digest TEXT UNIQUE,
    length INTEGER NOT NULL,
    unreferenced_since INTEGER
  ) STRICT;
  CREATE INDEX attachments_unreferenced ON attachments (unreferenced_since)
    WHERE unreferenced_since IS NOT NULL;
  CREATE TABLE attachment_chunks (
    id INTEGER PRIMARY KEY,
    attachment INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (attachment, number)
  ) STRICT;
  CREATE TABLE attachment_references (
    metadata INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (metadata, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attachment_references_digest ON attachment_references (digest);
  `,
  // References that end by themselves, with the kept bodies that they belong to; 0: that do not.
  `
  ALTER TABLE attachment_references ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX attachment_references_until ON attachment_references (until) WHERE until > 0;
  `,
  // Who has what for a while; `until_ms` by the clock of the machine, ms since 1970.
  `
  CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    about TEXT NOT NULL,
    until_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Who has a channel or role now; and ended grants that stand for several (`GrantHistoryChange`).
  `
  ALTER TABLE grants ADD COLUMN merged INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX grants_target ON grants (database, kind, collection, target, principal)
    WHERE until_seq = 0;
  `,
  FOREIGN_WRITES_MIGRATION,
];

/**
 * Brings the file to this program's schema, in one transaction. Throws `unavailable` where the file
 * is newer than this program, or is another application's.
 */
export function migrate(db: DatabaseSync): void {
  if (versionOf(db) === MIGRATIONS.length && pragma(db, 'application_id') === APPLICATION_ID)
    return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(db);
    refuseForeign(db, version);
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    db.exec('COMMIT');
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw cause;
  }
}

/**
 * Throws `unavailable` as `migrate` does, without a change to the file: for who is about to change
 * anything of it, such as its journal.
 */
export function requireOurs(db: DatabaseSync): void {
  // One snapshot: another process may be making the file just now.
  db.exec('BEGIN');
  try {
    refuseForeign(db, versionOf(db));
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK');
  }
}

function refuseForeign(db: DatabaseSync, version: number): void {
  const application = pragma(db, 'application_id');
  const empty = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (application !== APPLICATION_ID && !(application === 0 && empty)) {
    throw new GatewayError('unavailable', 'the file is an SQLite database of another application');
  }
  if (version > MIGRATIONS.length) {
    throw new GatewayError(
      'unavailable',
      `the bucket has schema version ${version}, newer than this program's ${MIGRATIONS.length}`,
      { details: { version, supported: MIGRATIONS.length } },
    );
  }
}

function versionOf(db: DatabaseSync): number {
  return pragma(db, 'user_version');
}

function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}
