import type { Random } from './random.ts';

/** Inputs as they are changed into others. */
export interface MutationSource {
  /** What was found to be interesting so far; never empty. */
  readonly pool: readonly Buffer[];
  /** What means something to the parser. */
  readonly words: readonly string[];
  readonly bytesMax: number;
}

/** Numbers and characters that parsers stumble over. */
const ODD = [
  '\0',
  '\r\n',
  '\u{fffd}',
  '\u2028',
  '😀',
  '-1',
  '0',
  '1e999',
  '9007199254740993',
  '99999999999999999999',
  'NaN',
  '__proto__',
  'constructor',
  '"',
  '\\',
  '\\ud800',
] as const;
const STEPS_MAX = 5;
const REPEATS_MAX = 2000;

/** Another input, made of one of the pool by a few random changes. */
export function mutate(random: Random, source: MutationSource): Buffer {
  let bytes = random.pick(source.pool);
  for (let steps = 1 + random.below(STEPS_MAX); steps > 0; steps -= 1)
    bytes = random.pick(CHANGES)(random, bytes, source).subarray(0, source.bytesMax);
  return bytes;
}

type ByteChange = (random: Random, bytes: Buffer, source: MutationSource) => Buffer;

const CHANGES: readonly ByteChange[] = [
  flip,
  (random, bytes) => insert(random, bytes, random.bytes(1 + random.below(4))),
  (random, bytes) => insert(random, bytes, Buffer.from(random.pick(ODD))),
  insertWord,
  insertWord,
  cutOut,
  cutOut,
  (random, bytes) => insert(random, bytes, part(random, bytes)),
  repeat,
  (random, bytes, { pool }) => insert(random, bytes, part(random, random.pick(pool))),
  (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1)),
];

function flip(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const changed = Buffer.from(bytes);
  const at = random.below(bytes.length);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return changed;
}

function insertWord(random: Random, bytes: Buffer, { words }: MutationSource): Buffer {
  return words.length === 0 ? bytes : insert(random, bytes, Buffer.from(random.pick(words)));
}

function cutOut(random: Random, bytes: Buffer): Buffer {
  const [from, to] = span(random, bytes);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

/** Deep nesting, long lists, long names. */
function repeat(random: Random, bytes: Buffer): Buffer {
  const repeated = part(random, bytes).subarray(0, 32);
  const times = 1 + random.below(random.oneIn(10) ? REPEATS_MAX : 10);
  return insert(random, bytes, Buffer.alloc(repeated.length * times, repeated));
}

function insert(random: Random, bytes: Buffer, inserted: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}

function part(random: Random, bytes: Buffer): Buffer {
  const [from, to] = span(random, bytes);
  return bytes.subarray(from, to);
}

function span(random: Random, bytes: Buffer): readonly [from: number, to: number] {
  const from = random.below(bytes.length + 1);
  return [from, from + random.below(Math.min(bytes.length - from, 64) + 1)];
}
