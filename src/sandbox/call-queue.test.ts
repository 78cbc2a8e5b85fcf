import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallQueue, QueuedCall } from './call-queue.ts';
import { LIMITS } from './limits.ts';

const limits = { ...LIMITS, batchCalls: 3, batchChars: 100, queueCalls: 5, queueChars: 200 };
const record = { id: 1, source: '', timeoutMs: 0 };
const call = (chars: number, of = record): QueuedCall => new QueuedCall(of, undefined, chars);
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

test('calls of barred functions keep their places', () => {
  const queue = new CallQueue(limits);
  const other = { id: 2, source: '', timeoutMs: 0 };
  for (const [chars, of] of [
    [1, record],
    [2, other],
    [3, record],
    [4, other],
  ] as const)
    queue.add(call(chars, of));
  assert.deepEqual(charsOf(queue.take(new Set([record]))), [2, 4]);
  assert.deepEqual(charsOf(queue.take(new Set([record]))), []);
  assert.equal(queue.length, 2);
  assert.deepEqual(charsOf(queue.take()), [1, 3]);
});

test('what has its answer already is not taken, and takes no room', () => {
  const queue = new CallQueue(limits);
  const answered = call(190);
  queue.add(answered);
  queue.add(call(2));
  answered.resolve('');
  assert.deepEqual(charsOf(queue.take()), [2]);
  queue.add(call(3));
  queue.add(call(197));
});
