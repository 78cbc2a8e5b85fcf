import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CollectionId, Grant, PrincipalKey } from '../../bucket/bucket.ts';
import { isGatewayError } from '../../util/errors.ts';
import { ChannelMoves } from './channel-moves.ts';
import { GatheredStep } from './gathered-step.ts';
import { Holders } from './holders.ts';
import { planReport } from './plan-report.ts';
import { PlannedGrants } from './planned-grants.ts';
import { Samples, SAMPLES_MAX } from './samples.ts';

// What a plan keeps in memory has limits; what it leaves out it tells.

const COLLECTION = 1 as CollectionId;
const grant = (principal: PrincipalKey, target: string): Grant => ({
  principal,
  kind: 'channel',
  collection: COLLECTION,
  target,
});

test('of too many grants those of the first users are kept, and those of roles', () => {
  const grants = new PlannedGrants({ max: 10, kept: 6 });
  grants.add([grant('role:z', 'x')]);
  for (const name of ['d', 'c', 'b', 'a'])
    grants.add([1, 2, 3].map((n) => grant(`user:${name}`, `c${n}`)));
  assert.equal(grants.isCut, true);
  assert.deepEqual(
    ['user:a', 'user:b', 'user:c', 'user:d', 'role:z'].map((key) =>
      grants.isComplete(key as PrincipalKey),
    ),
    [true, true, false, false, true],
  );
  assert.equal(grants.of('user:a').size, 3);
  assert.equal(grants.of('role:z').size, 1);
  grants.add([grant('user:c', 'late')]);
  assert.equal(grants.of('user:c').size, 0);
  grants.add([grant('user:a', 'c1')]);
  assert.equal(grants.of('user:a').size, 3, 'each counts once');
});

test('too many grants to roles end the plan', () => {
  const grants = new PlannedGrants({ max: 3, kept: 2 });
  const all = [1, 2, 3, 4].map((n) => grant('role:r', `c${n}`));
  assert.throws(
    () => grants.add(all),
    (cause) => isGatewayError(cause, 'tooLarge'),
  );
});

test('further channels are told as a number', () => {
  const samples = new Samples();
  const moves = new ChannelMoves(samples, { max: 2 });
  for (const channel of ['a', 'b', 'c', 'd'])
    moves.count('s.c', { before: [], after: [channel], count: 2, ids: [channel] });
  moves.count('s.c', { before: ['a'], after: ['b'], count: 1, ids: ['x'] });
  assert.deepEqual(
    Array.from(moves.moves, ({ channel, entering, leaving }) => [channel, entering, leaving]),
    [
      ['a', 2, 1],
      ['b', 3, 0],
    ],
  );
  const report = planReport({
    docsRefused: 0,
    refused: [],
    moves,
    holders: new Holders(samples),
    leftOut: ['some users'],
    estimatedSeconds: 1,
  });
  assert.deepEqual(report.left_out, [
    'some users',
    '4 times that documents enter or leave further channels',
  ]);
});

test('a report names the ten thousand that differ most', () => {
  const samples = new Samples();
  const holders = new Holders(samples);
  const none: ReadonlySet<string> = new Set();
  for (let n = 0; n < 10_002; n++) {
    const after: ReadonlySet<string> = new Set([`1:c${n}`, ...(n === 10_001 ? ['1:more'] : [])]);
    holders.add(`user:u${n}`, { before: none, after });
    const count = { before: [`c${n}`], after: [`c${n}`], count: 1, ids: [`d${n}`] };
    holders.count({ name: 's.c', id: 1 }, count);
  }
  holders.count({ name: 's.c', id: 1 }, { before: [], after: ['more'], count: 9, ids: [] });
  const report = planReport({
    docsRefused: 0,
    refused: [],
    moves: new ChannelMoves(samples),
    holders,
    leftOut: [],
    estimatedSeconds: 1,
  });
  assert.equal(report.users.length, 10_000);
  assert.partialDeepStrictEqual(report.users[0], { name: 'u10001', docs_gained: 10 });
  assert.deepEqual(report.left_out, ['2 more users, with smaller differences']);
});

test('a step adds equal documents up, with a few ids', () => {
  const step = new GatheredStep();
  for (let n = 0; n < 20; n++)
    step.add({
      id: `d${n}` as never,
      deleted: n === 19,
      before: n % 2 === 0 ? ['a', 'b'] : ['b', 'a'],
      after: ['c'],
      grants: [grant('user:ann', 'c')],
      refused: n < 3 ? 'no' : undefined,
    });
  const found = step.findings('s.c', COLLECTION);
  assert.deepEqual(found.groups, [
    {
      before: ['a', 'b'],
      after: ['c'],
      count: 19,
      ids: Array.from({ length: SAMPLES_MAX }, (_, n) => `d${n}`),
    },
  ]);
  assert.equal(found.grants.length, 1);
  assert.equal(found.refusedCount, 3);
});
