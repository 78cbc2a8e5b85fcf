import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { distinct } from './distinct.ts';

test('each is there once, in order, without those that are not wanted', () => {
  assert.deepEqual(distinct(['b', 'a', 'b', 'c', 'a']), ['b', 'a', 'c']);
  assert.deepEqual(distinct(['b', 'a', 'b', 'c'], ['a']), ['b', 'c']);
  const lists = fc.array(fc.nat(12), { maxLength: 20 });
  fc.assert(
    fc.property(lists, lists, (all, without) => {
      const expected = all.filter((one, at) => all.indexOf(one) === at && !without.includes(one));
      assert.deepEqual(distinct(all, without), expected);
    }),
  );
});
