import { mutate } from './mutate.ts';
import { Random } from './random.ts';

/** A parser that takes whatever strangers send. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs that it takes, to begin with. */
  readonly seeds: readonly (string | Buffer)[];
  /** What means something to it. */
  readonly words: readonly string[];
  readonly bytesMax: number;
  /**
   * Gives the input to the parser, and checks what must hold of the outcome; throws where it does
   * not hold. Tells the kind of outcome: inputs of a new kind are kept, to be changed further.
   */
  run(input: Buffer, random: Random): string | Promise<string>;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Told of each input before it is run; false ends the run. */
  readonly onInput: (input: Buffer) => boolean;
}

/** What was tried, how often, and how many kinds of outcome there were. */
export interface FuzzCount {
  readonly inputs: number;
  readonly kinds: number;
}

const POOL_MAX = 2000;

/** Runs until it is told to stop. Rejects with what the target throws. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzCount> {
  const random = new Random(options.seed);
  const { words, bytesMax } = target;
  const pool: Buffer[] = target.seeds.map((seed) => Buffer.from(seed));
  const kinds = new Set<string>();
  let inputs = 0;
  for (; ; inputs += 1) {
    const seed = inputs < target.seeds.length ? pool[inputs] : undefined;
    const input = seed ?? mutate(random, { pool, words, bytesMax });
    if (!options.onInput(input)) return { inputs, kinds: kinds.size };
    const outcome = target.run(input, random);
    const kind = typeof outcome === 'string' ? outcome : await outcome;
    if (kinds.has(kind) || kinds.size >= POOL_MAX) continue;
    kinds.add(kind);
    if (inputs >= target.seeds.length) pool.push(input);
  }
}
