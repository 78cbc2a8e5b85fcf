import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sequence } from '../document/types.ts';
import { ToldRanges } from './told-ranges.ts';

const MOST_SEQ = 40;
const seqs = fc.array(fc.integer({ min: 1, max: MOST_SEQ }), { maxLength: 60 });

const contentOf = (ranges: ToldRanges): readonly number[] =>
  Array.from({ length: MOST_SEQ + 2 }, (_, seq) => seq).filter((seq) => ranges.has(sequence(seq)));

const rangesOf = (added: readonly number[], most = MOST_SEQ): ToldRanges => {
  const ranges = new ToldRanges(most);
  for (const seq of added) ranges.add(sequence(seq));
  return ranges;
};

test('it has what was added, in whatever order, and not what was dropped', () => {
  fc.assert(
    fc.property(seqs, fc.nat(MOST_SEQ), (added, upTo) => {
      const ranges = rangesOf(added);
      const sorted = [...new Set(added)].toSorted((a, b) => a - b);
      assert.deepEqual(contentOf(ranges), sorted);
      ranges.dropUpTo(sequence(upTo));
      assert.deepEqual(
        contentOf(ranges),
        sorted.filter((seq) => seq > upTo),
      );
    }),
  );
});

test('what it is stored as brings it back, and is as short as its ranges are few', () => {
  fc.assert(
    fc.property(seqs, (added) => {
      const ranges = rangesOf(added);
      const back = new ToldRanges(MOST_SEQ);
      back.addNumbers(ranges.toNumbers());
      assert.deepEqual(contentOf(back), contentOf(ranges));
      assert.deepEqual(back.toNumbers(), ranges.toNumbers());
    }),
  );
  assert.deepEqual(rangesOf([7, 5, 6, 9]).toNumbers(), [5, 2, 2, 0]);
});

test('of more ranges than it may have it forgets the lowest', () => {
  const ranges = rangesOf([1, 3, 5, 9, 7], 3);
  assert.deepEqual(contentOf(ranges), [5, 7, 9]);
  ranges.add(sequence(6));
  assert.deepEqual(contentOf(ranges), [5, 6, 7, 9]);
});
