import assert from 'node:assert/strict';
import { copyFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { DrivenClock } from '../../util/driven-clock.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { Bucket, MutationPage } from '../bucket.ts';
import { apply, docId, putDocument, putRecord, recordKey, seq } from '../contract/changes.ts';
import { testServer } from './test-support.ts';

const unavailable =
  (reason: RegExp) =>
  (cause: unknown): boolean =>
    isGatewayError(cause, 'unavailable') && reason.test(cause.message);

const kindOf = ({ trouble }: Bucket) => trouble?.kind;

/** The next page of the history, and no more. */
async function nextPage(bucket: Bucket, since: number): Promise<MutationPage | undefined> {
  for await (const page of bucket.mutations(seq(since), new AbortController().signal)) return page;
  return undefined;
}

test('of a file that is replaced no write is acknowledged, and what is in its place is whole', async () => {
  const clock = new DrivenClock();
  await using held = await testServer({ clock });
  const path = `${held.path}/b.sqlite`;
  await using other = await held.server.open('other', { create: true });
  const oc = await other.openCollection('_default._default');
  await apply(other, putDocument(oc, 'of-other'));
  await other[Symbol.asyncDispose]();

  await using bucket = await held.server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  await apply(bucket, putDocument(c, 'a'));
  assert.equal(kindOf(bucket), undefined);
  const waiting = assert.rejects(nextPage(bucket, 1), unavailable(/was replaced by another/));
  await rename(path, `${path}.old`);
  await rename(`${held.path}/other.sqlite`, path);
  await assert.rejects(bucket.commit([putDocument(c, 'b')]), unavailable(/was replaced/));
  assert.equal(kindOf(bucket), 'moved');
  clock.advance(1000);
  await waiting;
  await assert.rejects(bucket.lastSequence(), unavailable(/was replaced/));

  await using again = await held.server.open('b', { create: false });
  assert.notEqual(again.uuid, bucket.uuid);
  assert.notEqual(await again.get(oc, docId('of-other')), undefined);
  assert.equal(await again.get(c, docId('a')), undefined);
  await apply(again, putDocument(oc, 'after'));
  await assert.rejects(async () => bucket.get(c, docId('a')), unavailable(/is closed/));
  await bucket[Symbol.asyncDispose]();
  assert.notEqual(await again.get(oc, docId('after')), undefined);
  const leftovers = (await readdir(held.path)).filter((name) => name.includes('replaced'));
  assert.deepEqual(leftovers, []);
  // What had been acknowledged is whole in the file that was moved away.
  using old = new DatabaseSync(`${path}.old`, { readOnly: true });
  const keys = old.prepare('SELECT key FROM documents ORDER BY key').all();
  assert.deepEqual(keys.map(({ key }) => key).slice(0, 1), ['a']);
});

test('a file that is back in its place goes on as if nothing had been', async () => {
  await using held = await testServer({ clock: new DrivenClock() });
  const path = `${held.path}/b.sqlite`;
  await using bucket = await held.server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  await rename(path, `${path}.away`);
  await assert.rejects(bucket.commit([putDocument(c, 'a')]), unavailable(/was removed/));
  await rename(`${path}.away`, path);
  await bucket.lastSequence();
  assert.equal(kindOf(bucket), undefined);
  await apply(bucket, putDocument(c, 'b'));
  const page = await nextPage(bucket, 0);
  assert.ok(page !== undefined && page.upTo >= 1);
});

test('a file that is overwritten where it stands is noticed within seconds', async () => {
  const clock = new DrivenClock();
  await using held = await testServer({ clock });
  const path = `${held.path}/b.sqlite`;
  const bucket = await held.server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  await apply(bucket, putDocument(c, 'a'));
  await bucket[Symbol.asyncDispose]();
  await copyFile(path, `${path}.copy`);
  await using again = await held.server.open('b', { create: false });
  const waiting = assert.rejects(nextPage(again, 1));
  await writeFile(path, Buffer.alloc(8192, 0x20));
  for (let n = 0; n < 6; n += 1) clock.advance(1000);
  await waiting;
  assert.equal(kindOf(again), 'unreadable');
  await assert.rejects(again.lastSequence(), unavailable(/not an SQLite database/));
  await copyFile(`${path}.copy`, path);
  assert.equal(await again.lastSequence(), 1);
  assert.equal(kindOf(again), undefined);
});

test('a lock that makes a write fail is told until a write succeeds', async () => {
  await using held = await testServer({ busyTimeoutMs: 20 });
  await using bucket = await held.server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  const stranger = new DatabaseSync(`${held.path}/b.sqlite`);
  const lease = { name: 'n', holder: 'h', about: '', forMs: 1000 };
  for (const [write, other] of [
    [() => bucket.commit([putDocument(c, 'a')]), () => bucket.removeExpired(1, 1)],
    [() => bucket.leases.take(lease), () => bucket.leases.take(lease)],
  ] as const) {
    stranger.exec('BEGIN IMMEDIATE');
    await assert.rejects(write(), unavailable(/locked/));
    assert.equal(kindOf(bucket), 'locked');
    assert.equal(await bucket.lastSequence(), 0);
    stranger.exec('ROLLBACK');
    await other();
    assert.equal(kindOf(bucket), undefined);
  }
  stranger.close();
});

test('a writer that starts again in the place of another bucket does not write to it', async () => {
  await using held = await testServer();
  const started: { terminate(): Promise<number> }[] = [];
  const onWorker = (worker: { terminate(): Promise<number> }): number => started.push(worker);
  process.on('worker', onWorker);
  await using bucket = await held.server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  await started[0]!.terminate();
  await rm(`${held.path}/b.sqlite`);
  await assert.rejects(bucket.commit([putDocument(c, 'a')]), unavailable(/was removed|ended/));
  assert.ok(!(await readdir(held.path)).includes('b.sqlite'));
  process.off('worker', onWorker);
});

test('the stamp of a bucket changes with it, and is none of one that is absent', async () => {
  await using held = await testServer();
  assert.equal(await held.server.stampOf('b'), undefined);
  await using bucket = await held.server.open('b', { create: true });
  const before = await held.server.stampOf('b');
  await apply(bucket, putRecord(recordKey('r')));
  assert.notEqual(await held.server.stampOf('b'), before);
});
