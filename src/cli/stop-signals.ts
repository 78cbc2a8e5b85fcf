import { constants } from 'node:os';

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

const SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * The first SIGTERM, SIGINT or SIGHUP (the terminal is gone): `stopped` resolves with it. A second
 * one ends the process at once, with the exit code that a shell gives a killed program (130, 143).
 */
export function stopSignals(beforeExit: () => void): { readonly stopped: Promise<StopSignal> } {
  const { promise, resolve } = Promise.withResolvers<StopSignal>();
  let isStopping = false;
  for (const signal of SIGNALS) {
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
