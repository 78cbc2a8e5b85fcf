import type { Clock } from '../util/clock.ts';
import type { Scope } from './own-state.ts';

type GoOnline = (scope: Scope, isCancelled: () => boolean) => Promise<void>;

/** A database that is to come online later: at most one time is set. */
export class DelayedOnline {
  readonly #clock: Clock;
  readonly #goOnline: GoOnline;
  #pending: { readonly atMs: number; readonly cancel: AbortController } | undefined;

  /** `goOnline` is called at the time; it does nothing where the time was cancelled meanwhile. */
  constructor(clock: Clock, goOnline: GoOnline) {
    this.#clock = clock;
    this.#goOnline = goOnline;
  }

  /** ms since 1970; undefined where none is set. */
  get atMs(): number | undefined {
    return this.#pending?.atMs;
  }

  /** Takes the place of an earlier time. */
  set(delayMs: number, scope: Scope): void {
    this.cancel();
    const cancel = new AbortController();
    this.#pending = { atMs: this.#clock.now() + delayMs, cancel };
    void this.#clock.sleep(delayMs, cancel.signal).then(async () => {
      await this.#goOnline(scope, () => cancel.signal.aborted);
      if (!cancel.signal.aborted) this.#pending = undefined;
    });
  }

  cancel(): void {
    this.#pending?.cancel.abort();
    this.#pending = undefined;
  }
}
