import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ChannelPeriod } from './channel-state.ts';
import { PAST_CHANNELS_MAX } from './channel-state.ts';
import { mergedStays } from './merged-stays.ts';
import { sequence } from './types.ts';

const CHANNELS = ['a', 'b', 'c'];
const END = 100;

/** Stays of one document, by their ends, as they come to be remembered. */
const history = fc
  .array(
    fc.record({
      channel: fc.constantFrom(...CHANNELS),
      from: fc.integer({ min: 1, max: END - 1 }),
      length: fc.integer({ min: 1, max: 10 }),
    }),
    { maxLength: PAST_CHANNELS_MAX },
  )
  .map((all) =>
    all
      .map(({ channel, from, length }): ChannelPeriod => ({
        channel,
        from: sequence(from),
        until: sequence(from + length),
      }))
      .toSorted((a, b) => a.until - b.until),
  );

const covers = (stays: readonly ChannelPeriod[], channel: string, at: number): boolean =>
  stays.some((stay) => stay.channel === channel && stay.from <= at && at < stay.until);

test('nothing that was is forgotten, later stays are as they were, each channel has one before', () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 0, max: END + 10 }), (stays, end) => {
      const upTo = sequence(end);
      const merged = mergedStays(stays, upTo) ?? stays;
      for (const channel of CHANNELS) {
        const some = stays.filter((stay) => stay.channel === channel && stay.until <= upTo);
        const first = Math.min(...some.map(({ from }) => from));
        const last = Math.max(...some.map(({ until }) => until));
        for (let at = 1; at <= END + 10; at++) {
          if (covers(stays, channel, at)) assert.ok(covers(merged, channel, at));
          else if (covers(merged, channel, at)) assert.ok(at > first && at < last, 'a gap');
        }
        if (merged !== stays)
          assert.ok(merged.filter((s) => s.channel === channel && s.until <= upTo).length <= 1);
      }
      const later = ({ until }: ChannelPeriod): boolean => until > upTo;
      assert.deepEqual(merged.filter(later), stays.filter(later));
      assert.deepEqual(mergedStays(merged, upTo), undefined, 'once is enough');
      if (stays.length >= PAST_CHANNELS_MAX) assert.equal(merged, stays);
    }),
    { verbose: 1, numRuns: 500 },
  );
});
