import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';

import { silentLog } from '../../observability/log.ts';
import { systemClock } from '../../util/clock.ts';
import { apply, putDocument } from '../contract/changes.ts';
import { SqliteServer } from './sqlite-server.ts';
import { TEST_OPTIONS, testFolder } from './test-support.ts';
import { WalWatch } from './wal-watch.ts';

/** A watch of a file of its own; `looked` emits `look`. */
async function watchedFile(nowMs = (): number => systemClock.now()) {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await testFolder());
  const path = `${folder.path}/file-wal`;
  await writeFile(path, '');
  const looked = new EventEmitter();
  const look = (): void => void looked.emit('look');
  const clock = { ...systemClock, now: nowMs };
  const wal = { path, look, committing: () => false };
  const watch = opening.use(new WalWatch(wal, { clock, log: silentLog }));
  const open = opening.move();
  const dispose = async (): Promise<void> => await open.disposeAsync();
  return { path, watch, looked, [Symbol.asyncDispose]: dispose };
}

test('a change of the file is looked at', async () => {
  await using file = await watchedFile();
  for (let n = 0; n < 3; n += 1) {
    const look = once(file.looked, 'look');
    await appendFile(file.path, 'x');
    await look;
  }
});

test('while own commits are frequent there are looks, and no watch; afterwards it is back', async () => {
  await using file = await watchedFile();
  const { watch, looked } = file;
  for (let n = 0; n < 8; n += 1) watch.committed();
  assert.equal(watch.isWatching, true);
  watch.committed();
  assert.equal(watch.isWatching, false);
  for (let n = 0; n < 3; n += 1) {
    watch.committed();
    await once(looked, 'look');
    assert.equal(watch.isWatching, false);
  }
  while (!watch.isWatching) await once(looked, 'look');
  // What came while it was not watched is looked for again, as is what comes now.
  await once(looked, 'look');
  for (let n = 0; n < 3; n += 1) {
    const look = once(looked, 'look');
    await appendFile(file.path, 'x');
    await look;
  }
});

test('commits now and then leave the watch as it is', async () => {
  let nowMs = 1_000_000;
  await using file = await watchedFile(() => nowMs);
  for (let n = 0; n < 50; n += 1) {
    file.watch.committed();
    nowMs += 40;
  }
  assert.equal(file.watch.isWatching, true);
});

test('what others write is noticed at once while this process commits without a pause', async () => {
  await using folder = await testFolder();
  await using server = await SqliteServer.inFolder(folder.path, TEST_OPTIONS);
  await using bucket = await server.open('b', { create: true });
  const c = await bucket.openCollection('_default._default');
  const stop = new AbortController();
  const write = async (): Promise<void> => {
    for (let n = 0; !stop.signal.aborted; n += 1) await apply(bucket, putDocument(c, `own${n}`));
  };
  const follow = async (): Promise<void> => {
    for await (const _ of bucket.mutations(await bucket.lastSequence(), stop.signal));
  };
  const busy = [write(), follow()];
  using stranger = new DatabaseSync(`${folder.path}/b.sqlite`, { timeout: 5000 });
  const insert = stranger.prepare('INSERT INTO documents (key, body) VALUES (?, ?)');
  const waitedMs: number[] = [];
  for (let n = 0; n < 15; n += 1) {
    const newest = await bucket.foreignWrites.newest();
    const seen = bucket.foreignWrites.above(newest, stop.signal);
    insert.run(`foreign${n}`, '{}');
    const since = performance.now();
    await seen;
    waitedMs.push(performance.now() - since);
    await systemClock.sleep(7);
  }
  stop.abort();
  await Promise.all(busy);
  const median = waitedMs.toSorted((x, y) => x - y)[7];
  assert.ok(median! < 100, `${median} ms; ${waitedMs.map((ms) => Math.round(ms)).join(' ')}`);
});
