import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';

import { isGatewayError } from '../../util/errors.ts';
import type { Bucket, CollectionId } from '../bucket.ts';
import { apply, bytesOf, docId, pieces, putDocument } from '../contract/changes.ts';
import { testFolder, testServer } from './test-support.ts';

const unavailable =
  (reason: RegExp) =>
  (cause: unknown): boolean =>
    isGatewayError(cause, 'unavailable') && reason.test(cause.message);

const body = JSON.stringify({ text: 'x'.repeat(20_000) });

/** Writes until the disk is full; how many documents it took. */
async function fill(bucket: Bucket, c: CollectionId): Promise<number> {
  for (let n = 0; ; n += 1) {
    try {
      await apply(bucket, putDocument(c, `k${n}`, { body }));
    } catch (cause) {
      if (!unavailable(/full/)(cause)) throw cause;
      return n;
    }
  }
}

test('on a full disk a commit changes nothing, and once there is room it works again', async () => {
  await using held = await testServer({ pagesMax: 100 });
  await using bucket = await held.server.open('small', { create: true });
  const c = await bucket.openCollection('_default._default');
  const stored = await fill(bucket, c);
  assert.ok(stored > 3);
  assert.equal(await bucket.lastSequence(), stored);
  assert.equal(await bucket.get(c, docId(`k${stored}`)), undefined);
  assert.equal((await bucket.get(c, docId(`k${stored - 1}`)))?.body, body);
  await assert.rejects(
    bucket.putAttachment(pieces(Buffer.alloc(1_000_000)), { lengthMax: 1e7 }),
    unavailable(/full/),
  );
  const both = [bucket.commit([putDocument(c, 'a', { body })]), bucket.commit([])];
  assert.deepEqual(
    (await Promise.allSettled(both)).map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
  await bucket.commit([0, 1].map((n) => ({ kind: 'purge', collection: c, key: docId(`k${n}`) })));
  await apply(bucket, putDocument(c, 'again', { body }));
  assert.equal(await bucket.lastSequence(), stored + 1);
});

test('what an upload left on a full disk is collected', async () => {
  await using held = await testServer({ pagesMax: 300 });
  await using bucket = await held.server.open('small', { create: true });
  const c = await bucket.openCollection('_default._default');
  for (let round = 0; round < 3; round += 1) {
    await assert.rejects(
      bucket.putAttachment(pieces(Buffer.alloc(3_000_000)), { lengthMax: 1e7 }),
      unavailable(/full/),
    );
    while (await bucket.removeExpired(5_000_000_000, 0));
    const { digest } = await bucket.putAttachment(pieces(Buffer.alloc(500_000, round)), {
      lengthMax: 1e7,
    });
    const found = await bucket.getAttachment(digest);
    assert.ok(found !== undefined && (await bytesOf(found.bytes)).length === 500_000);
  }
  await apply(bucket, putDocument(c, 'a'));
});

test('a lock of another process makes a commit wait, then unavailable; reads go on', async () => {
  await using held = await testServer({ busyTimeoutMs: 50 });
  await using bucket = await held.server.open('locked', { create: true });
  const c = await bucket.openCollection('_default._default');
  await apply(bucket, putDocument(c, 'a'));
  const stranger = new DatabaseSync(`${held.path}/locked.sqlite`);
  stranger.exec('BEGIN IMMEDIATE');
  await assert.rejects(bucket.commit([putDocument(c, 'b')]), unavailable(/another process/));
  assert.notEqual(await bucket.get(c, docId('a')), undefined);
  stranger.exec('ROLLBACK');
  stranger.close();
  await apply(bucket, putDocument(c, 'b'));
  assert.equal(await bucket.lastSequence(), 2);
});

test('a writer that dies fails what it was doing, and is started again', async () => {
  await using held = await testServer({ busyTimeoutMs: 200 });
  const started: Worker[] = [];
  const onWorker = (worker: Worker): number => started.push(worker);
  process.on('worker', onWorker);
  await using bucket = await held.server.open('dies', { create: true });
  const c = await bucket.openCollection('_default._default');
  await apply(bucket, putDocument(c, 'a'));
  // A lock holds the writer in the middle of the commit.
  const stranger = new DatabaseSync(`${held.path}/dies.sqlite`);
  stranger.exec('BEGIN IMMEDIATE');
  const lost = assert.rejects(bucket.commit([putDocument(c, 'b')]), unavailable(/ended/));
  await setImmediate();
  await setImmediate();
  await started[0]!.terminate();
  await lost;
  stranger.close();
  const { cas } = await apply(bucket, putDocument(c, 'c'));
  assert.equal((await bucket.get(c, docId('c')))?.cas, cas);
  assert.equal(started.length, 2);
  process.off('worker', onWorker);
});

test('past the most uploads at a time, one is unavailable; then there is room again', async () => {
  await using held = await testServer();
  await using bucket = await held.server.open('uploads', { create: true });
  const stop = new AbortController();
  async function* hangs(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(1);
    await new Promise<never>(() => undefined);
  }
  const options = { lengthMax: 10, signal: stop.signal };
  const uploads = Array.from(
    { length: 256 },
    async () => await bucket.putAttachment(hangs(), options),
  );
  const all = Promise.allSettled(uploads);
  await assert.rejects(
    bucket.putAttachment(pieces('x'), { lengthMax: 10 }),
    unavailable(/too many/),
  );
  stop.abort();
  await all;
  await bucket.putAttachment(pieces('x'), { lengthMax: 10 });
});

test('an open bucket and a waiting feed keep no process alive', async () => {
  await using folder = await testFolder();
  const module = (path: string): string => JSON.stringify(import.meta.resolve(path));
  const program = `
    const { openBucketServer } = await import(${module('../open-bucket.ts')});
    const { silentLog } = await import(${module('../../observability/log.ts')});
    const { systemClock } = await import(${module('../../util/clock.ts')});
    const options = { log: silentLog, clock: systemClock };
    const server = await openBucketServer('sqlite:' + ${JSON.stringify(folder.path)}, options);
    const bucket = await server.open('b', { create: true });
    void bucket.mutations(0, new AbortController().signal).next();`;
  const args = ['--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { timeout: 20_000 });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a file that is damaged is told as such, and no read crashes', async () => {
  await using held = await testServer();
  const bucket = await held.server.open('damaged', { create: true });
  const c = await bucket.openCollection('_default._default');
  for (let n = 0; n < 20; n += 1) await apply(bucket, putDocument(c, `k${n}`, { body }));
  await bucket[Symbol.asyncDispose]();

  const file = await open(`${held.path}/damaged.sqlite`, 'r+');
  const { size } = await file.stat();
  const third = Math.floor(size / 3);
  // The overflow pages of the bodies are the last ones.
  await file.write(Buffer.alloc(third, 0xaa), 0, third, size - third);
  await file.close();
  await using again = await held.server.open('damaged', { create: false });
  const reads = Array.from({ length: 20 }, async (_, n) => await again.get(c, docId(`k${n}`)));
  const outcomes = await Promise.allSettled(reads);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.ok(failures.length > 0);
  for (const { reason } of failures) assert.ok(isGatewayError(reason, 'corrupt'), String(reason));
});
