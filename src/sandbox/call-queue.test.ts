import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallQueue, type QueuedCall } from './call-queue.ts';
import { LIMITS } from './limits.ts';

const limits = { ...LIMITS, batchCalls: 3, batchChars: 100, queueCalls: 5, queueChars: 200 };
const record = { id: 1, source: '', timeoutMs: 0 };
const call = (chars: number): QueuedCall => ({
  record,
  input: undefined,
  chars,
  deaths: 0,
  resolve: () => undefined,
  reject: () => undefined,
});
const charsOf = (calls: readonly QueuedCall[]) => calls.map(({ chars }) => chars);

test('a batch ends at its number of calls or its size, but has one call at least', () => {
  const queue = new CallQueue(limits);
  for (const chars of [1, 2, 3, 4, 99]) queue.add(call(chars));
  assert.deepEqual(charsOf(queue.take()), [1, 2, 3]);
  assert.deepEqual(charsOf(queue.take()), [4]);
  assert.deepEqual(charsOf(queue.take()), [99]);
  assert.deepEqual(charsOf(queue.take()), []);
  queue.add(call(1000));
  assert.deepEqual(charsOf(queue.take()), [1000]);
});

test('what is put back comes first, in its order', () => {
  const queue = new CallQueue(limits);
  for (const chars of [1, 2, 3, 4]) queue.add(call(chars));
  const taken = queue.take();
  queue.putBack(taken.slice(1));
  assert.equal(queue.length, 3);
  assert.deepEqual(charsOf(queue.take()), [2, 3, 4]);
});

test('past its number or size the queue refuses, until some are taken', () => {
  const queue = new CallQueue(limits);
  for (let i = 0; i < 5; i++) queue.add(call(1));
  assert.throws(() => queue.add(call(1)), { tag: 'unavailable' });
  queue.take();
  queue.add(call(190));
  assert.throws(() => queue.add(call(50)), { tag: 'unavailable' });
});
