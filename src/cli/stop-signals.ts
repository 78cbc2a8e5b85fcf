import { constants } from 'node:os';

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

const SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * The first SIGTERM, SIGINT or SIGHUP (the terminal is gone): `stopped` resolves with it. A second
 * one ends the process at once, with the exit code that a shell gives a killed program (130, 143).
 * With `onHangUp`, SIGHUP means that and ends nothing.
 */
export function stopSignals(
  beforeExit: () => void,
  onHangUp?: () => void,
): { readonly stopped: Promise<StopSignal> } {
  const { promise, resolve } = Promise.withResolvers<StopSignal>();
  let isStopping = false;
  for (const signal of SIGNALS) {
    if (signal === 'SIGHUP' && onHangUp !== undefined) {
      process.on(signal, onHangUp);
      continue;
    }
    process.on(signal, () => {
      if (isStopping) {
        beforeExit();
        process.exit(128 + constants.signals[signal]);
      }
      isStopping = true;
      resolve(signal);
    });
  }
  return { stopped: promise };
}

/** SIGHUPs, of which those that come before somebody answers are answered then, together. */
export class HangUps {
  #answer: (() => Promise<void>) | undefined;
  #isWaiting = false;

  heard(): void {
    if (this.#answer === undefined) this.#isWaiting = true;
    else void this.#answer();
  }

  /** From now on; `answer` does not reject. */
  answer(answer: () => Promise<void>): void {
    this.#answer = answer;
    if (this.#isWaiting) void answer();
  }
}
