import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkLimit } from './work-limit.ts';

test('never more run than the limit says, and all are served in the order they came', async () => {
  const limit = new WorkLimit({ runningMax: 2, waitingMax: 10 });
  const began: number[] = [];
  let running = 0;
  let most = 0;
  const work = (n: number) => async () => {
    began.push(n);
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    return n;
  };
  const all = await Promise.all([0, 1, 2, 3, 4].map((n) => limit.run(work(n))));
  assert.deepEqual(all, [0, 1, 2, 3, 4]);
  assert.deepEqual(began, [0, 1, 2, 3, 4]);
  assert.equal(most, 2);
});

test('who aborts gives up its place; failed work frees its own', async () => {
  const limit = new WorkLimit({ runningMax: 1, waitingMax: 1 });
  const gate = Promise.withResolvers<void>();
  const failing = limit.run(() => gate.promise);
  const abort = new AbortController();
  const waiting = limit.run(async () => 'never', abort.signal);
  await assert.rejects(
    limit.run(async () => 'too many'),
    { tag: 'unavailable' },
  );
  abort.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  const next = limit.run(async () => 'next');
  gate.reject(new Error('broken'));
  await assert.rejects(failing, /broken/);
  assert.equal(await next, 'next');
  assert.equal(await limit.run(async () => 'last'), 'last');
});
