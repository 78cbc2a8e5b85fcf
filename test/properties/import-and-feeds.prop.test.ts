import { test } from 'node:test';
import fc from 'fast-check';
import { startTestGateway } from '../helpers/gateway.ts';
import { USERS } from './access-run.ts';
import { ImportRun, mixedStep } from './import-run.ts';

for (const importDocs of [true, false]) {
  test(`readers hold what they may see of what applications write, import_docs ${importDocs} (invariants 2 and 3)`, async (t) => {
    await using gateway = await startTestGateway();
    const seed = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261129);
    t.diagnostic(`seed ${seed}`);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(mixedStep, { minLength: 50, maxLength: 90 }), async (steps) => {
        using run = new ImportRun({ gateway, database: `prop${runs++}`, importDocs });
        await run.start();
        for (const taken of steps) await run.take(taken);
        await run.settle();
        for (const name of USERS) await run.run.follow(name, { limit: 1000, feed: 'normal' });
      }),
      {
        seed,
        numRuns: Number(process.env['IMPORT_RUNS'] ?? 4),
        endOnFailure: false,
        interruptAfterTimeLimit: 300_000,
      },
    );
  });
}
