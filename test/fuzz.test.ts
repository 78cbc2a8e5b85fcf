import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { TARGETS } from '../fuzz/targets.ts';
import { watchedRun } from '../fuzz/watched-run.ts';

// Every parser of what comes from outside, for a moment; `npm run fuzz` takes a minute for each.

const SECONDS = 0.4;

for (const target of TARGETS) {
  test(`${target.name}: whatever comes is taken or refused`, async (t) => {
    const seed = randomInt(2 ** 32);
    t.diagnostic(`npm run fuzz -- --only ${target.name} --seed ${seed}`);
    const { inputs } = await watchedRun(target, { seed, seconds: SECONDS });
    t.diagnostic(`${inputs} inputs`);
  });
}
