import type { Sequence } from '../document/types.ts';
import { ZERO } from '../document/types.ts';

/**
 * One who waits for changes. A wake-up is the raise of a number, never an entry of a queue: however
 * much happens while nobody waits, it costs nothing, and however late the waiter comes, it learns
 * of it. At most one wait at a time. Dispose of it when done.
 */
export class Listener implements Disposable {
  #raisedTo: Sequence = ZERO;
  #above: Sequence = ZERO;
  #wake: (() => void) | undefined;
  /** Kept from wait to wait: to listen to a signal anew costs more than the rest of a wait. */
  #signal: AbortSignal | undefined;

  /** Something that concerns this listener happened at `seq`. */
  raise(seq: Sequence): void {
    if (seq > this.#raisedTo) this.#raisedTo = seq;
    if (seq > this.#above) this.handleEvent();
  }

  /**
   * Resolves when something happened after `seq`, at once where it has; and when `signal` aborts.
   * NOTE: no async function, whose frame would be a good part of what a waiting feed costs.
   */
  above(seq: Sequence, signal: AbortSignal): Promise<void> {
    if (this.#raisedTo > seq || signal.aborted) return Promise.resolve();
    this.#above = seq;
    if (signal !== this.#signal) this.#listenTo(signal);
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /**
   * The end of a wait; also the abort of its signal: the listener itself is the handler, which
   * costs no closure.
   */
  handleEvent(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  [Symbol.dispose](): void {
    this.#listenTo(undefined);
  }

  #listenTo(signal: AbortSignal | undefined): void {
    this.#signal?.removeEventListener('abort', this);
    this.#signal = signal;
    signal?.addEventListener('abort', this);
  }
}
