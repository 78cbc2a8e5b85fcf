import { test } from 'node:test';
import fc from 'fast-check';
import { startTestGateway } from '../helpers/gateway.ts';
import { Run, step, USERS } from './access-run.ts';

test('readers hold exactly what they may see, at its winner, from any point of their feed (invariants 2 and 3)', async (t) => {
  await using gateway = await startTestGateway();
  const seed = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261124);
  t.diagnostic(`seed ${seed}`);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 90 }), async (steps) => {
      const run = new Run(gateway, `prop${runs++}`);
      await run.start();
      for (const taken of steps) await run.take(taken);
      for (const name of USERS) await run.follow(name, { limit: 1000, feed: 'normal' });
    }),
    { seed, numRuns: 10, endOnFailure: false, interruptAfterTimeLimit: 300_000 },
  );
});
