/** The thread in which a target runs: its parent watches it, and knows its input at any moment. */
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz } from './fuzz-target.ts';
import type { WatchedInput } from './watched-run.ts';
import { TARGETS } from './targets.ts';

const { name, seed, seconds, shared } = workerData as {
  readonly name: string;
  readonly seed: number;
  readonly seconds: number;
  readonly shared: WatchedInput;
};
const target = TARGETS.find((each) => each.name === name);
if (target === undefined) throw new Error(`no target ${name}`);
const counts = new Uint32Array(shared.counts);
const bytes = new Uint8Array(shared.bytes);
const until = performance.now() + seconds * 1000;

const count = await fuzz(target, {
  seed,
  onInput: (input) => {
    bytes.set(input);
    counts[1] = input.length;
    counts[0] = (counts[0] ?? 0) + 1;
    return performance.now() < until;
  },
});
parentPort?.postMessage(count);
