import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sequence } from '../document/types.ts';
import { intersectPeriods, STILL, unionPeriods } from './grant-periods.ts';
import type { Period } from './grant-periods.ts';

const END = 30;
const periods = fc.array(
  fc.record({
    from: fc.integer({ min: 1, max: END }).map(sequence),
    until: fc.oneof(fc.integer({ min: 1, max: END }).map(sequence), fc.constant(STILL)),
  }),
  { maxLength: 6 },
);

const holds = (set: readonly Period[], at: number) => set.some((p) => p.from <= at && at < p.until);
const PLACES = [...Array(END + 2).keys()];

function assertNormal(set: readonly Period[]): void {
  set.forEach((period, i) => {
    assert.ok(period.from < period.until, 'no empty period');
    const before = set[i - 1];
    assert.ok(before === undefined || before.until < period.from, 'apart and ascending');
  });
}

test('a union holds where any of its periods does, and is normal', () => {
  fc.assert(
    fc.property(periods, (some) => {
      const union = unionPeriods(some);
      assertNormal(union);
      for (const at of PLACES) assert.equal(holds(union, at), holds(some, at));
    }),
    { verbose: 1 },
  );
});

test('an intersection holds where both sides do, and is normal', () => {
  fc.assert(
    fc.property(periods, periods, (some, others) => {
      const left = unionPeriods(some);
      const right = unionPeriods(others);
      const both = intersectPeriods(left, right);
      assertNormal(both);
      for (const at of PLACES) {
        assert.equal(holds(both, at), holds(left, at) && holds(right, at));
      }
    }),
    { verbose: 1 },
  );
});

test('a period that ends where the next begins is one unbroken period', () => {
  const union = unionPeriods([
    { from: sequence(5), until: STILL },
    { from: sequence(2), until: sequence(5) },
  ]);
  assert.deepEqual(union, [{ from: 2, until: STILL }]);
});
