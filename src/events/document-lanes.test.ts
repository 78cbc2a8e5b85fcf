import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextTurn } from '../util/next-turn.ts';
import { DocumentLanes } from './document-lanes.ts';

interface Task {
  readonly lane: string;
  readonly n: number;
}

function open(pendingMax = 10) {
  const stop = new AbortController();
  const begun: number[] = [];
  const ends = new Map<number, PromiseWithResolvers<void>>();
  const lanes = new DocumentLanes<Task>({
    work: ({ n }) => {
      begun.push(n);
      const end = Promise.withResolvers<void>();
      ends.set(n, end);
      return end.promise;
    },
    pendingMax,
    signal: stop.signal,
    progress: () => undefined,
  });
  return {
    lanes,
    stop,
    begun,
    end: async (n: number) => {
      ends.get(n)!.resolve();
      await nextTurn();
    },
    fail: (n: number) => ends.get(n)!.reject(new Error('no')),
    pending: () => Array.from(lanes.pending, ({ n }) => n),
  };
}

test('documents go side by side, the changes of one in their order', async () => {
  const { lanes, begun, end, pending } = open();
  for (const [n, lane] of ['a', 'b', 'a'].entries()) await lanes.add({ lane, n });
  assert.deepEqual(begun, [0, 1]);
  await end(1);
  assert.deepEqual(pending(), [0, 2]);
  await end(0);
  assert.deepEqual(begun, [0, 1, 2]);
  await end(2);
  assert.equal(lanes.size, 0);
});

test('past the limit who adds waits for room', async () => {
  const { lanes, end } = open(1);
  await lanes.add({ lane: 'a', n: 0 });
  let isTaken = false;
  const adding = lanes.add({ lane: 'b', n: 1 }).then(() => (isTaken = true));
  await nextTurn();
  assert.equal(isTaken, false);
  await end(0);
  await adding;
  assert.ok(isTaken);
});

test('after the end nothing is begun, what was begun is waited for, and the rest is pending', async () => {
  const { lanes, stop, begun, end, pending } = open();
  await lanes.add({ lane: 'a', n: 0 });
  await lanes.add({ lane: 'a', n: 1 });
  stop.abort();
  const ended = lanes.ended();
  await end(0);
  await ended;
  assert.deepEqual(begun, [0]);
  assert.deepEqual(pending(), [1]);
});

test('a failure is told, and the change stays pending', async () => {
  const { lanes, fail, pending } = open();
  await lanes.add({ lane: 'a', n: 0 });
  fail(0);
  await assert.rejects(lanes.failed, /no/);
  assert.deepEqual(pending(), [0]);
});
