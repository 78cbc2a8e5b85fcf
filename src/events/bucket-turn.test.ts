import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import type { BucketServer } from '../bucket/bucket-server.ts';
import { openBucketServer } from '../bucket/open-bucket.ts';
import { silentLog } from '../observability/log.ts';
import { systemClock } from '../util/clock.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { BucketTurn } from './bucket-turn.ts';

let server: BucketServer;
let bucket: Bucket;
let count = 0;

before(async () => {
  server = await openBucketServer('sqlite::memory:', { log: silentLog, clock: systemClock });
  bucket = await server.open('b', { create: true });
});
after(async () => {
  await bucket?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

const HOLD_MS = 1000;

/** Two processes, as it were, that want the turn of one database. */
function two() {
  const clock = new DrivenClock();
  const database = `db${count++}`;
  const options = { bucket, database, clock, log: silentLog, holdMs: HOLD_MS };
  const write: Omit<RecordChange, 'ifRecord'> = {
    kind: 'record',
    record: { kind: 'k', database, id: 'x' },
    value: '1',
    expiry: 0,
  };
  const [a, b] = ['a', 'b'].map((owner) => new BucketTurn({ ...options, owner }));
  return { clock, write, a: a!, b: b! };
}

test('one has the turn, and another one when it is given back', async () => {
  const { a, b } = two();
  assert.ok(await a.tryTake());
  assert.equal(await b.tryTake(), undefined);
  await a[Symbol.asyncDispose]();
  assert.ok(await b.tryTake());
});

test('a turn that is not renewed runs out, and its holder learns of it', async () => {
  const { a, b, clock, write } = two();
  const held = await a.tryTake();
  assert.ok(held);
  clock.advance(HOLD_MS + 1);
  assert.equal(a.held, undefined);
  assert.ok(await b.tryTake());
  assert.equal(await held.commit([write]), undefined, 'what it writes is refused');
  assert.ok(held.lost.aborted);
  assert.equal(await a.tryTake(), undefined);
});

test('a turn that ran out and that nobody took is the same turn again', async () => {
  const { a, clock, write } = two();
  const held = await a.tryTake();
  clock.advance(3 * HOLD_MS);
  assert.equal(await a.tryTake(), held);
  assert.equal(held?.lost.aborted, false);
  const results = await held?.commit([write]);
  assert.equal(results?.[0]?.ok, true);
});

test('a write and a renewal at one moment do not hurt each other', async () => {
  const { a, clock, write } = two();
  const held = await a.tryTake();
  for (let n = 0; n < 20; n += 1) {
    clock.advance(HOLD_MS / 2 + 1);
    const [renewed, results] = await Promise.all([a.tryTake(), held?.commit([write])]);
    assert.equal(renewed, held);
    assert.equal(results?.[0]?.ok, true);
  }
});

test('it is renewed by itself as long as somebody wants that', async () => {
  const { a, b, clock } = two();
  await a.tryTake();
  const keeping = a.keep();
  for (let n = 0; n < 8; n += 1) {
    clock.advance(HOLD_MS / 4 + 1);
    // The renewal is on its way: whoever asks waits for it.
    assert.ok(await a.tryTake());
  }
  assert.equal(await b.tryTake(), undefined);
  keeping[Symbol.dispose]();
  clock.advance(HOLD_MS + 1);
  assert.ok(await b.tryTake());
});
