import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/util/clock.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';
import { Run, step, USERS } from './access-run.ts';
import type { Step } from './access-run.ts';

// Months pass, and compactions shorten the history of channels and grants, while readers are away:
// when they come back they end up with what they may see, all the same (invariants 2 and 3).

const MONTH_MS = 31 * 24 * 3600 * 1000;

/** NOTE: a client that is away for longer than a tombstone stays is not told of that deletion. */
const deletesNothing = ({ do: what }: Step): boolean => what !== 'remove' && what !== 'stale edit';
const remaining = step.filter(deletesNothing);
const isAway = ({ do: what }: Step): boolean => what !== 'follow' && what !== 'read';
/** Readers come in the first month alone, and then at the end. */
const months = fc.tuple(
  fc.array(remaining, { minLength: 25, maxLength: 40 }),
  fc.array(remaining.filter(isAway), { minLength: 5, maxLength: 15 }),
  fc.array(remaining.filter(isAway), { minLength: 5, maxLength: 15 }),
);

async function compact(admin: string): Promise<void> {
  const started = await request('POST', `${admin}/_compact`);
  // NOTE: it also starts by itself.
  assert.ok(started.status === 200 || started.status === 503, started.text);
  await until('the compaction is completed', async () => {
    const { json } = await request('GET', `${admin}/_compact`);
    return (json as { status: string }).status === 'completed' ? true : undefined;
  });
}

test('what is remembered of old channels and grants tells everybody of what it lost', async (t) => {
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  await using gateway = await startTestGateway({}, { clock });
  const seed = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261130);
  t.diagnostic(`seed ${seed}`);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(months, async (all) => {
      const name = `months${runs++}`;
      const run = new Run(gateway, name);
      await run.start();
      for (const month of all) {
        for (const taken of month) await run.take(taken);
        await compact(`${gateway.admin}/${name}`);
        aheadMs += MONTH_MS;
        await compact(`${gateway.admin}/${name}`);
      }
      for (const user of USERS) await run.follow(user, { limit: 1000, feed: 'normal' });
      await request('DELETE', `${gateway.admin}/${name}/`);
    }),
    { seed, numRuns: Number(process.env['HISTORY_RUNS'] ?? 3), interruptAfterTimeLimit: 300_000 },
  );
});
