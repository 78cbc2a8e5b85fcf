import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { sequence } from '../document/types.ts';
import { ChangeMarks } from './change-marks.ts';
import { Listener } from './listener.ts';

const marks = (namesMax: number): ChangeMarks =>
  new ChangeMarks({ namesMax, knownFrom: sequence(10) });

test('the newest sequence of a name is the last that was raised, or where knowledge begins', () => {
  const some = marks(10);
  assert.equal(some.newest('a'), 10);
  some.raise('a', sequence(12));
  some.raise('b', sequence(13));
  some.raise('a', sequence(15));
  assert.deepEqual([some.newest('a'), some.newest('b'), some.newest('c')], [15, 13, 10]);
});

test('past the most names the longest unchanged ones go, and never is too little told', () => {
  const some = marks(3);
  for (const [index, name] of ['a', 'b', 'c', 'a', 'd', 'e'].entries()) {
    some.raise(name, sequence(11 + index));
  }
  assert.equal(some.newest('a'), 14);
  assert.equal(some.newest('e'), 16);
  for (const gone of ['b', 'c', 'never']) assert.ok(some.newest(gone) >= 13, gone);
});

test('names that are listened to stay, whatever else comes', async () => {
  const some = marks(3);
  const listeners = Array.from({ length: 50 }, () => new Listener());
  for (const [index, listener] of listeners.entries()) some.listen(`held${index}`, listener);
  for (let seq = 11; seq < 1000; seq += 1) some.raise(`n${seq}`, sequence(seq));
  const { signal } = new AbortController();
  const waits = listeners.map((listener) => listener.above(sequence(1000), signal));
  for (const index of listeners.keys()) some.raise(`held${index}`, sequence(1001 + index));
  await Promise.all(waits);
});

test('what happens to nobody known wakes all, and no one who left', async () => {
  const some = marks(10);
  const [stays, leaves] = [new Listener(), new Listener()];
  some.listen('a', stays);
  some.listen('a', leaves);
  some.unlisten('a', leaves);
  const abort = new AbortController();
  let woken = false;
  const left = leaves.above(sequence(10), abort.signal).then(() => (woken = true));
  some.raiseAll(sequence(20));
  await stays.above(sequence(10), abort.signal);
  assert.equal(some.newest('a'), 20);
  assert.equal(some.newest('b'), 20);
  assert.equal(woken, false);
  abort.abort();
  await left;
});

test('a listener that comes late learns at once of what happened', async () => {
  const listener = new Listener();
  const { signal } = new AbortController();
  listener.raise(sequence(5));
  listener.raise(sequence(3));
  await listener.above(sequence(4), signal);
  let woken = false;
  const waits = listener.above(sequence(5), signal).then(() => (woken = true));
  listener.raise(sequence(5));
  await Promise.resolve();
  assert.equal(woken, false);
  listener.raise(sequence(6));
  await waits;
});

test('a listener listens to its signal once, however often it waits, until it is disposed of', async () => {
  const listener = new Listener();
  const abort = new AbortController();
  for (let seq = 1; seq < 20; seq += 1) {
    const waits = listener.above(sequence(seq - 1), abort.signal);
    listener.raise(sequence(seq));
    await waits;
  }
  assert.equal(getEventListeners(abort.signal, 'abort').length, 1);
  listener[Symbol.dispose]();
  assert.equal(getEventListeners(abort.signal, 'abort').length, 0);
  const other = new AbortController();
  const waits = listener.above(sequence(50), other.signal);
  other.abort();
  await waits;
});
