import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

import type { Bucket, CollectionId } from '../bucket.ts';
import type { Stranger } from '../contract/foreign-writes-contract.ts';
import type { SqliteServerOptions } from './sqlite-server.ts';
import { testServer } from './test-support.ts';

/** A bucket, and a connection of an application to its file. */
export interface SharedBucket extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly db: DatabaseSync;
  /** Of the file. */
  readonly path: string;
  /** The number of `_default._default`. */
  readonly c: CollectionId;
}

/** For tests. All of it is gone when it is disposed. */
export async function testSharedBucket(
  options: Partial<SqliteServerOptions> = {},
): Promise<SharedBucket> {
  await using opening = new AsyncDisposableStack();
  const held = opening.use(await testServer(options));
  const bucket = opening.use(await held.server.open('shared', { create: true }));
  const path = `${held.path}/shared.sqlite`;
  const db = new DatabaseSync(path, { timeout: 5000 });
  opening.defer(() => db.close());
  const c = await bucket.openCollection('_default._default');
  const open = opening.move();
  return { bucket, db, path, c, [Symbol.asyncDispose]: async () => await open.disposeAsync() };
}

/** A stranger who writes plain SQL to the documents. */
export function sqlStranger(db: DatabaseSync): Stranger {
  const put = db.prepare(
    'INSERT OR REPLACE INTO documents (collection, key, body, expiry) VALUES (?, ?, ?, ?)',
  );
  const expire = db.prepare('UPDATE documents SET expiry = ? WHERE collection = ? AND key = ?');
  const setXattrs = db.prepare('UPDATE documents SET xattrs = ? WHERE collection = ? AND key = ?');
  const remove = db.prepare('DELETE FROM documents WHERE collection = ? AND key = ?');
  const run = async (statement: StatementSync, ...values: SQLInputValue[]): Promise<void> => {
    await afterReads();
    statement.run(...values);
  };
  return {
    put: async (collection, key, { body = '{"theirs":1}', expiry = 0 } = {}) =>
      await run(put, collection, key, body, expiry),
    expire: async (collection, key, expiry) => await run(expire, expiry, collection, key),
    setXattrs: async (collection, key, xattrs) => await run(setXattrs, xattrs, collection, key),
    remove: async (collection, key) => await run(remove, collection, key),
  };
}

/** Reads of one turn share a snapshot: a write of the same turn would be unseen by later ones. */
export async function afterReads(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
}
