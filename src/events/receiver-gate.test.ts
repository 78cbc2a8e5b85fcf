import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenClock } from '../util/driven-clock.ts';
import { nextTurn } from '../util/next-turn.ts';
import { ReceiverGate } from './receiver-gate.ts';

const LONGEST_PAUSE_MS = 60_000;
const DOWN = { kind: 'down', waitMs: undefined } as const;
const BROKEN = { kind: 'receiver', waitMs: undefined } as const;
const AGAIN = { isFirst: false };

interface Tried {
  readonly gate: ReceiverGate;
  readonly clock: DrivenClock;
  readonly passed: string[];
  readonly try: (name: string, trial?: { readonly isFirst: boolean }) => void;
}

function open(): Tried {
  const clock = new DrivenClock();
  const gate = new ReceiverGate('r', clock, new AbortController().signal);
  const passed: string[] = [];
  return {
    gate,
    clock,
    passed,
    try: (name, trial = AGAIN) => void gate.enter(trial).then(() => passed.push(name)),
  };
}

test('a few failures close nothing, and a success forgets them', async () => {
  const { gate, passed, try: tryIt } = open();
  for (let n = 0; n < 4; n += 1) assert.equal(gate.failed({ lane: 'd' }, DOWN), undefined);
  assert.equal(gate.succeeded(), false);
  for (let n = 0; n < 4; n += 1) gate.failed({ lane: 'd' }, DOWN);
  tryIt('a');
  await nextTurn();
  assert.deepEqual(passed, ['a']);
});

test('a receiver that is away is tried by one at a time, and opens for all', async () => {
  const { gate, clock, passed, try: tryIt } = open();
  for (let n = 0; n < 5; n += 1) gate.failed({ lane: `d${n}` }, DOWN);
  assert.ok(gate.isClosed);
  for (const name of ['a', 'b', 'c']) tryIt(name);
  await nextTurn();
  assert.deepEqual(passed, []);
  clock.advance(LONGEST_PAUSE_MS);
  await nextTurn();
  assert.deepEqual(passed, ['a']);
  gate.failed({ lane: 'a' }, DOWN);
  clock.advance(LONGEST_PAUSE_MS);
  await nextTurn();
  assert.deepEqual(passed, ['a', 'b']);
  assert.equal(gate.succeeded(), true);
  await nextTurn();
  assert.deepEqual(passed, ['a', 'b', 'c']);
});

test('of one document the refusals count once', () => {
  const { gate } = open();
  for (let n = 0; n < 20; n += 1) gate.failed({ lane: 'd' }, BROKEN);
  assert.equal(gate.isClosed, false);
});

test('a receiver that answers is given each event once, however many it refuses', async () => {
  const { gate, passed, try: tryIt } = open();
  for (let n = 0; n < 5; n += 1) gate.failed({ lane: `d${n}` }, BROKEN);
  tryIt('again');
  tryIt('first', { isFirst: true });
  await nextTurn();
  assert.deepEqual(passed, ['first']);
});

test('who refuses one event is there', async () => {
  const { gate } = open();
  for (let n = 0; n < 5; n += 1) gate.failed({ lane: `d${n}` }, DOWN);
  assert.equal(gate.failed({ lane: 'x' }, { kind: 'event', waitMs: undefined }), 'opened');
  assert.equal(gate.isClosed, false);
});

test('a receiver that asks for a pause gets it', async () => {
  const { gate, clock, passed, try: tryIt } = open();
  assert.equal(gate.failed({ lane: 'd' }, { kind: 'down', waitMs: 90_000 }), 'closed');
  tryIt('a');
  clock.advance(89_000);
  await nextTurn();
  assert.deepEqual(passed, []);
  clock.advance(2000);
  await nextTurn();
  assert.deepEqual(passed, ['a']);
});

test('one that had nothing to try lets the next one', async () => {
  const { gate, clock, passed, try: tryIt } = open();
  for (let n = 0; n < 5; n += 1) gate.failed({ lane: `d${n}` }, DOWN);
  tryIt('a');
  tryIt('b');
  clock.advance(LONGEST_PAUSE_MS);
  await nextTurn();
  gate.passed();
  await nextTurn();
  assert.deepEqual(passed, ['a', 'b']);
});
