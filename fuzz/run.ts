// `npm run fuzz`: gives every parser of what comes from outside inputs that nobody thought of.
//   --seconds 60       for each parser
//   --seed N           repeats a run
//   --only json,ids    only these parsers
//   --input BASE64     gives this one input, which a failed run has told, to the parser of --only
// Prints the seed. Ends with 1 where a parser crashed, hung, or took too much memory.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Random } from './random.ts';
import { TARGETS } from './targets.ts';
import { FuzzFailure, watchedRun } from './watched-run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    only: { type: 'string' },
    input: { type: 'string' },
  },
});
const only = values.only?.split(',');
const targets = TARGETS.filter(({ name }) => only === undefined || only.includes(name));
const seed = Number(values.seed);
const seconds = Number(values.seconds);
if (targets.length === 0 || !Number.isSafeInteger(seed) || !(seconds > 0)) {
  console.error(`usage: --seconds N --seed N --only ${TARGETS.map(({ name }) => name).join(',')}`);
  process.exit(2);
}

if (values.input !== undefined) {
  const input = Buffer.from(values.input, 'base64');
  for (const target of targets) {
    console.log(`${target.name}: ${await target.run(input, new Random(seed))}`);
  }
} else {
  console.log(`seed ${seed}, ${seconds} s for each of ${targets.length} parsers`);
  let failed = 0;
  for (const target of targets) {
    try {
      const { inputs, kinds } = await watchedRun(target, { seed, seconds });
      console.log(`✔ ${target.name.padEnd(18)} ${inputs} inputs, ${kinds} kinds of outcome`);
    } catch (cause) {
      if (!(cause instanceof FuzzFailure)) throw cause;
      failed += 1;
      console.log(`✖ ${target.name.padEnd(18)} seed ${seed}: ${cause.message.slice(0, 500)}`);
      if (cause.cause instanceof Error) console.log(framesOf(cause.cause));
      console.log(`  again: --only ${target.name} --input ${cause.input.toString('base64')}`);
    }
  }
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Where it was thrown, without the message, which may hold the input. */
function framesOf({ stack = '' }: Error): string {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '));
  return frames.slice(0, 8).join('\n');
}
