import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PrincipalKey } from '../../bucket/bucket.ts';
import { Holders } from './holders.ts';
import { channelText } from './planned-grants.ts';
import { Samples } from './samples.ts';

// Who gains and who loses, against what each principal sees document by document.

const CHANNELS = ['a', 'b', 'c', '!', '*'];
const channels = fc.subarray(CHANNELS.slice(0, 4));
const held = fc.subarray(['a', 'b', 'c', '*']);
const principal = fc.record({ before: held, after: held });
const group = fc.record({
  before: channels,
  after: channels,
  count: fc.integer({ min: 1, max: 9 }),
});
const COLLECTION = { name: 's.c', id: 5 };

function sees(holds: readonly string[], channelsOf: readonly string[]): boolean {
  if (holds.includes('*') || channelsOf.includes('!')) return true;
  return channelsOf.some((channel) => holds.includes(channel));
}

const asTexts = (names: readonly string[]): ReadonlySet<string> =>
  new Set(names.map((name) => channelText(COLLECTION.id, name)));

test('differences are those of every single document', () => {
  fc.assert(
    fc.property(
      fc.array(principal, { maxLength: 8 }),
      fc.array(group, { maxLength: 8 }),
      (principals, groups) => {
        const holders = new Holders(new Samples());
        for (const [at, { before, after }] of principals.entries()) {
          const access = { before: asTexts(before), after: asTexts(after) };
          assert.ok(holders.add(`user:u${at}`, access));
        }
        for (const [at, each] of groups.entries())
          holders.count(COLLECTION, { ...each, ids: [`d${at}`] });
        for (const [at, { before, after }] of principals.entries()) {
          let [gained, lost] = [0, 0];
          for (const each of groups) {
            const [saw, is] = [sees(before, each.before), sees(after, each.after)];
            if (is && !saw) gained += each.count;
            if (saw && !is) lost += each.count;
          }
          const told = holders.differences[at]!;
          assert.deepEqual([told.gained, told.lost], [gained, lost], told.principal);
        }
      },
    ),
  );
});

test('channels of another collection are not those of this one', () => {
  const holders = new Holders(new Samples());
  const other: ReadonlySet<string> = new Set([channelText(6, 'a')]);
  holders.add('user:ann', { before: other, after: other });
  holders.count(COLLECTION, { before: [], after: ['a'], count: 3, ids: [] });
  assert.equal(holders.differences[0]?.gained, 0);
});

test('what there is no place for is not taken in', () => {
  const holders = new Holders(new Samples(), { pairsMax: 3 });
  const two = asTexts(['a', 'b']);
  assert.equal(holders.add('user:a', { before: two, after: two }), true);
  assert.equal(holders.add('user:b' satisfies PrincipalKey, { before: two, after: two }), false);
  assert.equal(holders.differences.length, 1);
});
