import { Worker } from 'node:worker_threads';
import type { FuzzCount, FuzzTarget } from './fuzz-target.ts';

/** Memory that a running target shares with whoever watches it. */
export interface WatchedInput {
  /** How many inputs have begun; the length of the last one. */
  readonly counts: SharedArrayBuffer;
  /** The last one. */
  readonly bytes: SharedArrayBuffer;
}

export interface WatchOptions {
  readonly seed: number;
  readonly seconds: number;
}

/** Why a run is over before its time. */
export class FuzzFailure extends Error {
  /** What the target was given. */
  readonly input: Buffer;

  constructor(message: string, input: Buffer, cause?: unknown) {
    super(message, { cause });
    this.name = 'FuzzFailure';
    this.input = input;
  }
}

/** The heap of the thread, beside what this process takes anyhow, MB. */
const HEAP_MB_MAX = 128;
/** The whole process, MB (RSS). */
const PROCESS_MB_MAX = 768;
/** The longest that one input may take, ms. */
const INPUT_MS_MAX = 5_000;
/** The longest until the thread has loaded its target, ms: the machine may have much to do. */
const START_MS_MAX = 60_000;
const LOOK_EVERY_MS = 100;

/**
 * Runs a target in a thread of its own for so many seconds. Rejects with a FuzzFailure where it
 * crashes, takes too much memory, or does not come to an end with an input.
 */
export async function watchedRun(
  { name, bytesMax }: FuzzTarget,
  { seed, seconds }: WatchOptions,
): Promise<FuzzCount> {
  const shared: WatchedInput = {
    counts: new SharedArrayBuffer(8),
    bytes: new SharedArrayBuffer(bytesMax),
  };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { name, seed, seconds, shared },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  const ended = Promise.withResolvers<FuzzCount>();
  const fail = (message: string, cause?: unknown): void =>
    ended.reject(new FuzzFailure(message, lastInput(shared), cause));
  worker.on('message', ended.resolve);
  worker.on('error', (cause: Error) => fail(cause.message, cause));
  worker.on('exit', () => fail('the thread ended'));
  const stopWatching = watch(shared, fail);
  try {
    return await ended.promise;
  } finally {
    stopWatching();
    await worker.terminate();
  }
}

function lastInput({ counts, bytes }: WatchedInput): Buffer {
  const [, length = 0] = new Uint32Array(counts);
  return Buffer.from(new Uint8Array(bytes).subarray(0, length));
}

/** Calls `fail` where an input takes too long, or the process too much memory. */
function watch({ counts }: WatchedInput, fail: (message: string) => void): () => void {
  const inputs = new Uint32Array(counts);
  let last = 0;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const now = inputs[0] ?? 0;
    if (now !== last) {
      last = now;
      sinceMs = performance.now();
    } else if (now === 0 && performance.now() - sinceMs > START_MS_MAX)
      fail(`the thread has not started within ${START_MS_MAX} ms`);
    else if (now > 0 && performance.now() - sinceMs > INPUT_MS_MAX)
      fail(`an input takes more than ${INPUT_MS_MAX} ms`);
    const megabytes = Math.round(process.memoryUsage.rss() / 1024 / 1024);
    if (megabytes > PROCESS_MB_MAX) fail(`the process takes ${megabytes} MB`);
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
