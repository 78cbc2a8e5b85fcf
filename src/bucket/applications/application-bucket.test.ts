import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';

import { CasConflict, openBucket } from 'tidegate/bucket';

import { isGatewayError, type ErrorTag } from '../../util/errors.ts';
import { apply, docId, putDocument } from '../contract/changes.ts';
import { queuedKeys } from '../contract/foreign-writes-contract.ts';
import { afterReads, testSharedBucket } from '../sqlite/stranger-support.ts';

const told =
  (tag: ErrorTag, reason: RegExp) =>
  (cause: unknown): boolean =>
    isGatewayError(cause, tag) && reason.test(cause.message);

test('an application reads what a gateway wrote, and the gateway is told what it writes', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, path } = shared;
  const ours = await apply(bucket, putDocument(c, 'a', { body: '{"v":1}', expiry: 4e9 }));
  using application = await openBucket(path);
  const documents = await application.collection();
  const read = await documents.get('a');
  assert.deepEqual(read, { body: { v: 1 }, cas: ours.cas, expiry: 4e9 });
  const cas = await documents.upsert('a', { v: 2 }, { cas: read.cas });
  assert.ok(cas < 0);
  assert.deepEqual(await documents.get('a'), { body: { v: 2 }, cas, expiry: 4e9 });
  await documents.upsert('b', { n: 1 }, { cas: 'absent', expiry: 7 });
  assert.equal((await documents.get('b'))?.expiry, 7);
  assert.deepEqual(await queuedKeys(bucket, c), ['a', 'b']);
  assert.equal((await bucket.get(c, docId('a')))?.cas, cas);
  await afterReads();
  assert.equal(await documents.remove('a', { cas }), true);
  assert.equal(await documents.remove('a'), false);
  assert.equal(await documents.get('a'), undefined);
  assert.equal((await bucket.get(c, docId('a')))?.body, null);
});

test('what is not as the caller said is left as it is', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, path } = shared;
  using application = await openBucket(path);
  const documents = await application.collection();
  const cas = await documents.upsert('a', { v: 1 });
  await apply(bucket, putDocument(c, 'a', { ifCas: cas as never, body: '{"v":2}' }));
  const { cas: actual } = (await bucket.get(c, docId('a')))!;
  const conflict = (told: number | 'absent', key = 'a') => ({
    name: 'CasConflict',
    key,
    actual: told,
  });
  await assert.rejects(documents.upsert('a', { v: 3 }, { cas }), conflict(actual));
  await assert.rejects(documents.remove('a', { cas }), conflict(actual));
  await assert.rejects(documents.upsert('a', {}, { cas: 'absent' }), conflict(actual));
  await assert.rejects(documents.remove('x', { cas: 5 }), conflict('absent', 'x'));
  await assert.rejects(documents.upsert('x', {}, { cas: 5 }), CasConflict);
  assert.deepEqual(await documents.get('a'), { body: { v: 2 }, cas: actual, expiry: 0 });
  assert.deepEqual(await queuedKeys(bucket, c), []);
});

test('what can be no document is refused', async () => {
  await using shared = await testSharedBucket();
  using application = await openBucket(shared.path);
  const documents = await application.collection();
  for (const key of ['', '_a', 'x'.repeat(251)]) {
    await assert.rejects(documents.upsert(key, {}), told('badRequest', /document id/), key);
  }
  for (const body of [[], { _id: 'a' }, { toJSON: () => 7 }, new Date(0)]) {
    await assert.rejects(documents.upsert('a', body), told('badRequest', /object|underscore/));
  }
  await assert.rejects(documents.upsert('a', {}, { expiry: -1 }), told('badRequest', /expiry/));
  assert.deepEqual(await queuedKeys(shared.bucket, shared.c), []);
});

test('collections are those that gateways made', async () => {
  await using shared = await testSharedBucket();
  const { bucket, path } = shared;
  const orders = await bucket.openCollection('shop.orders');
  using application = await openBucket(path);
  await (await application.collection('shop.orders')).upsert('a', {});
  assert.deepEqual(await queuedKeys(bucket, orders), ['a']);
  await assert.rejects(application.collection('shop.x'), told('missing', /shop\.x/));
});

test('a lock is waited for, but not for ever, and the event loop goes on', async () => {
  await using shared = await testSharedBucket();
  const { db, path } = shared;
  using application = await openBucket(path, { busyTimeoutMs: 100 });
  const documents = await application.collection();
  db.exec('BEGIN IMMEDIATE');
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 5);
  await assert.rejects(documents.upsert('a', {}), told('unavailable', /locked/));
  clearInterval(turning);
  assert.ok(turns >= 3);
  assert.equal(await documents.get('a'), undefined);
  const write = documents.upsert('a', {});
  db.exec('ROLLBACK');
  await write;
});

test('what is no bucket is not opened, and a file that was removed is not written', async () => {
  await using shared = await testSharedBucket();
  const { path } = shared;
  await assert.rejects(openBucket(`${path}.no`), told('missing', /no bucket/));
  await assert.rejects(openBucket(import.meta.filename), told('unavailable', /SQLite/));
  const application = await openBucket(path);
  const documents = await application.collection();
  rmSync(path);
  await assert.rejects(documents.upsert('a', {}), told('unavailable', /removed/));
  application[Symbol.dispose]();
  application[Symbol.dispose]();
  await assert.rejects(documents.get('a'), told('unavailable', /closed/));
});
