import { renameSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import { GatewayError } from '../../util/errors.ts';
import { Query } from './query.ts';
import { isBusy, movedError, storeError } from './store-error.ts';

/** Which file it is, whatever its name. */
interface Identity {
  readonly device: number;
  readonly inode: number;
}

/** The files that SQLite keeps beside an open one. */
const LOGS = ['-wal', '-shm'] as const;

/**
 * The file that a bucket was opened in: an open file goes on to be read and written when its name
 * leads to another one, or to none, and what is written then is lost with it.
 */
export class BucketFile {
  readonly #path: string;
  readonly #opened: Identity | undefined;
  readonly #logs: readonly (readonly [suffix: string, Identity | undefined])[];

  /** To be made while the file is open, and its log with it. */
  constructor(path: string) {
    this.#path = path;
    this.#opened = identityOf(path);
    this.#logs = LOGS.map((suffix) => [suffix, identityOf(path + suffix)]);
  }

  /** Whether its name still leads to it; about 2 µs. */
  isInPlace(): boolean {
    return isSame(this.#opened, identityOf(this.#path));
  }

  /** Throws `unavailable` where its name leads elsewhere by now. */
  requireInPlace(): void {
    if (this.isInPlace()) return;
    const what = identityOf(this.#path) === undefined ? 'was removed' : 'was replaced by another';
    throw movedError(`the file of the bucket ${what}`);
  }

  /**
   * Takes the log of a file that is not there any more out of the way of the one that is, which
   * SQLite would take it for a part of: its last changes, over another content. An empty log is
   * removed, one with changes kept under another name.
   */
  takeLogAway(): void {
    if (this.isInPlace()) return;
    for (const [suffix, opened] of this.#logs) {
      const path = this.#path + suffix;
      const found = statSync(path, { throwIfNoEntry: false });
      if (found === undefined || !isSame(opened, identityOf(path))) continue;
      if (suffix === '-wal' && found.size > 0) renameSync(path, `${path}.replaced`);
      else rmSync(path);
    }
  }

  /**
   * Whether somebody who opens the file now finds this bucket in it; about 100 µs. What is open
   * already may be read from memory for long after the file was overwritten. Throws what is wrong.
   */
  inspect(uuid: string): void {
    this.requireInPlace();
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(this.#path, { readOnly: true, timeout: 0 });
      requireTables(db);
      const [found] = new Query<[uuid: string]>(db, 'SELECT uuid FROM bucket').one() ?? [];
      if (found !== uuid)
        throw new GatewayError('unavailable', 'the file of the bucket was overwritten by another');
    } catch (cause) {
      // A lock is no damage: whoever holds it changes the file by the rules.
      if (!isBusy(cause)) throw storeError(cause);
    } finally {
      db?.close();
    }
  }
}

const TABLES = ['bucket', 'collections', 'documents', 'metadata'] as const;

/** Throws `unavailable` where somebody dropped a table without which there are no documents. */
export function requireTables(db: DatabaseSync): void {
  const there = new Query<[name: string]>(
    db,
    `SELECT name FROM sqlite_schema WHERE type = 'table'
     AND name IN ('bucket', 'collections', 'documents', 'metadata')`,
  );
  const names = new Set(there.all().map(([name]) => name));
  const missing = TABLES.find((one) => !names.has(one));
  if (missing === undefined) return;
  throw new GatewayError('unavailable', `the table ${missing} of the bucket was dropped`);
}

function identityOf(path: string): Identity | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { device: found.dev, inode: found.ino };
}

function isSame(one: Identity | undefined, other: Identity | undefined): boolean {
  return one?.inode === other?.inode && one?.device === other?.device;
}
