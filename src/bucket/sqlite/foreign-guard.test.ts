import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { isGatewayError } from '../../util/errors.ts';
import { apply, docId, putDocument } from '../contract/changes.ts';
import { queuedKeys, rejectedKeys, rejection } from '../contract/foreign-writes-contract.ts';
import { must } from '../../util/assert.ts';
import type { Bucket, CollectionId } from '../bucket.ts';
import { afterReads, testSharedBucket } from './stranger-support.ts';
import { SqliteServer } from './sqlite-server.ts';
import { TEST_OPTIONS, testServer } from './test-support.ts';

/** Waits until a recheck has queued these. */
async function untilQueued(
  bucket: Bucket,
  c: CollectionId,
  keys: readonly string[],
): Promise<void> {
  const stop = AbortSignal.timeout(20_000);
  for (;;) {
    const newest = await bucket.foreignWrites.newest();
    // As long as the queue is gone it cannot be read.
    const queued = [...(await queuedKeys(bucket, c).catch(() => ['(none)']))].sort();
    if (JSON.stringify(queued) === JSON.stringify(keys)) return;
    assert.ok(!stop.aborted, `queued: ${queued.join(' ')}`);
    await bucket.foreignWrites.above(newest, stop);
  }
}

/** Somebody keeps them watched, as a gateway does. */
function follow(...buckets: readonly Bucket[]): Disposable {
  const stop = new AbortController();
  for (const bucket of buckets) void bucket.foreignWrites.above(1e15, stop.signal);
  return { [Symbol.dispose]: () => stop.abort() };
}

const TRIGGERS = ['insert', 'update', 'move', 'cas', 'delete'].map((n) => `documents_foreign_${n}`);
const DROP_TRIGGERS = TRIGGERS.map((name) => `DROP TRIGGER ${name};`).join('');

for (const [what, drop] of [
  ['the triggers', DROP_TRIGGERS],
  [
    'the triggers, the queue and its index',
    `${DROP_TRIGGERS} DROP TABLE foreign_writes;
    DROP INDEX documents_foreign`,
  ],
] as const) {
  test(`what was written while ${what} were missing is found`, async () => {
    await using shared = await testSharedBucket();
    const { bucket, c, db } = shared;
    const keys = ['kept', 'rewritten', 'deleted', 'replaced', 'refused'];
    await bucket.commit(keys.map((key) => putDocument(c, key)));
    db.exec(`UPDATE documents SET body = '[]' WHERE key = 'refused'`);
    const refused = must(await bucket.get(c, docId('refused')), 'there');
    await apply(bucket, rejection(c, refused));
    using _ = follow(bucket);
    const before = await bucket.foreignWrites.newest();
    await afterReads();
    db.exec(`BEGIN; ${drop};
      UPDATE documents SET body = '{"v":2}' WHERE key = 'rewritten';
      DELETE FROM documents WHERE key = 'deleted';
      INSERT OR REPLACE INTO documents (key, body) VALUES ('replaced', '{"v":2}'), ('new', '{}');
      INSERT INTO documents (key, body, cas) VALUES ('stamped', '{}', 1);
      COMMIT`);
    await untilQueued(bucket, c, ['deleted', 'new', 'replaced', 'rewritten', 'stamped']);
    assert.deepEqual(await rejectedKeys(bucket, c), ['refused']);
    for (const { key, cas, metadata } of await bucket.scan(c, { limit: 99, bodies: true })) {
      assert.equal(cas === metadata?.cas, key === 'kept', key);
    }
    assert.ok((await bucket.foreignWrites.newest()) >= before + 5);
    // And it is noticed as before.
    await afterReads();
    db.exec(`UPDATE documents SET body = '{"v":3}' WHERE key = 'kept'`);
    assert.equal((await queuedKeys(bucket, c)).at(-1), 'kept');
  });
}

test('a trigger that somebody changed is made again', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, db } = shared;
  using _ = follow(bucket);
  db.exec(`DROP TRIGGER documents_foreign_insert;
    CREATE TRIGGER documents_foreign_insert AFTER INSERT ON documents BEGIN SELECT 1; END;
    INSERT INTO documents (key, body) VALUES ('a', '{}')`);
  await untilQueued(bucket, c, ['a']);
  await afterReads();
  db.exec(`INSERT INTO documents (key, body) VALUES ('b', '{}')`);
  assert.deepEqual(await queuedKeys(bucket, c), ['a', 'b']);
});

test('a trigger that was dropped while no gateway ran is missed at the next opening', async () => {
  await using held = await testServer();
  const path = `${held.path}/b.sqlite`;
  await using first = await held.server.open('b', { create: true });
  await apply(first, putDocument(await first.openCollection('_default._default'), 'a'));
  await first[Symbol.asyncDispose]();
  const db = new DatabaseSync(path);
  db.exec(
    `${DROP_TRIGGERS} DELETE FROM documents; INSERT INTO documents (key, body) VALUES ('b', '')`,
  );
  db.close();
  await using bucket = await held.server.open('b', { create: false });
  const c = await bucket.openCollection('_default._default');
  await untilQueued(bucket, c, ['a', 'b']);
});

test('a recheck goes on over more documents than a step, and ends', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, db } = shared;
  const keys = Array.from({ length: 2500 }, (_, at) => `k${at}`);
  for (let at = 0; at < keys.length; at += 500) {
    await bucket.commit(keys.slice(at, at + 500).map((key) => putDocument(c, key)));
  }
  using _ = follow(bucket);
  db.exec(`BEGIN; ${DROP_TRIGGERS} DELETE FROM documents WHERE key = 'k3';
    UPDATE documents SET body = 'x' WHERE key IN ('k1', 'k2499'); COMMIT`);
  await untilQueued(bucket, c, ['k1', 'k2499', 'k3']);
  let recheck = await bucket.foreignWrites.recheck();
  while (recheck !== undefined) {
    assert.match(recheck.reason, /missing in the file .*documents_foreign_insert/);
    assert.ok(Math.abs(recheck.sinceMs - Date.now()) < 60_000);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    recheck = await bucket.foreignWrites.recheck();
  }
});

test('several processes mend a file together', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, db, path } = shared;
  await using other = await SqliteServer.inFolder(dirname(path), TEST_OPTIONS);
  await using beside = await other.open('shared', { create: false });
  const keys = Array.from({ length: 900 }, (_, at) => `k${at}`);
  await bucket.commit(keys.map((key) => putDocument(c, key)));
  using _ = follow(bucket, beside);
  db.exec(`BEGIN; ${DROP_TRIGGERS} DROP TABLE foreign_writes; DROP TABLE rejected_writes;
    UPDATE documents SET body = 'x' WHERE key IN ('k1', 'k899'); COMMIT`);
  for (const each of [bucket, beside]) await untilQueued(each, c, ['k1', 'k899']);
  db.exec(`UPDATE documents SET body = 'y' WHERE key = 'k2'`);
  for (const each of [bucket, beside]) await untilQueued(each, c, ['k1', 'k2', 'k899']);
});

test('a bucket whose documents were dropped is unreadable, and says so', async () => {
  await using held = await testServer();
  await using bucket = await held.server.open('b', { create: true });
  using _ = follow(bucket);
  const db = new DatabaseSync(`${held.path}/b.sqlite`);
  db.exec('DROP TABLE documents');
  db.close();
  const reason = 'the table documents of the bucket was dropped';
  while (bucket.trouble === undefined) {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  assert.deepEqual([bucket.trouble.kind, bucket.trouble.reason], ['unreadable', reason]);
  await bucket[Symbol.asyncDispose]();
  await assert.rejects(
    held.server.open('b', { create: false }),
    (cause) => isGatewayError(cause, 'unavailable') && cause.message === reason,
  );
});

/** What the migration made, away: the file of the version before. */
const AS_BEFORE = `
  ${DROP_TRIGGERS} DROP TABLE foreign_writes; DROP TABLE rejected_writes;
  DROP TABLE foreign_recheck; DROP INDEX documents_expiry;
  ALTER TABLE bucket DROP COLUMN writing; ALTER TABLE documents DROP COLUMN xattrs;
  ALTER TABLE metadata DROP COLUMN body_crc; ALTER TABLE metadata DROP COLUMN xattr_crc;
  CREATE INDEX documents_expiry ON documents (collection, expiry) WHERE expiry > 0;
  CREATE TRIGGER documents_foreign_update AFTER UPDATE ON documents WHEN NEW.cas = OLD.cas
  BEGIN
    UPDATE documents SET cas = -1 - (random() & 4503599627370495) WHERE id = NEW.id;
  END;
  PRAGMA user_version = 4`;

test('a file of the version before is brought here, with what strangers did to it', async () => {
  await using held = await testServer();
  await using first = await held.server.open('b', { create: true });
  const c = await first.openCollection('_default._default');
  const changes = ['kept', 'rewritten', 'deleted'].map((key) => putDocument(c, key));
  await first.commit(changes);
  await first[Symbol.asyncDispose]();
  const db = new DatabaseSync(`${held.path}/b.sqlite`);
  db.exec(`${AS_BEFORE}; DELETE FROM documents WHERE key = 'deleted';
    UPDATE documents SET body = '{"v":2}' WHERE key = 'rewritten';
    INSERT INTO documents (key, body) VALUES ('new', '{}')`);
  db.close();
  await using bucket = await held.server.open('b', { create: false });
  await untilQueued(bucket, c, ['deleted', 'new', 'rewritten']);
  const kept = must(await bucket.get(c, docId('kept')), 'there');
  assert.deepEqual([kept.cas, kept.metadata?.bodyCrc], [kept.metadata?.cas, undefined]);
});

test('a new file has nothing to recheck', async () => {
  await using shared = await testSharedBucket();
  assert.equal(await shared.bucket.foreignWrites.recheck(), undefined);
});
