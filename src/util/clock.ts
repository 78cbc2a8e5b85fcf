import { setTimeout as sleepFor } from 'node:timers/promises';

/** Time as a parameter, so that a test can drive it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The real clock. Its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await sleepFor(ms, undefined, signal === undefined ? { ref: false } : { ref: false, signal });
    } catch {
      // NOTE: the only rejection is the abort, which ends the wait without an error.
    }
  },
};
