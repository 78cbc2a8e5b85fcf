import type { Sequence } from '../document/types.ts';
import { ZERO } from '../document/types.ts';

/**
 * One who waits for changes. A wake-up is the raise of a number, never an entry of a queue: however
 * much happens while nobody waits, it costs nothing, and however late the waiter comes, it learns
 * of it. At most one wait at a time. /
 */
export class Listener {
  #raisedTo: Sequence = ZERO;
  #above: Sequence = ZERO;
  #wake: (() => void) | undefined;

  /** Something that concerns this listener happened at `seq`. */
  raise(seq: Sequence): void {
    if (seq > this.#raisedTo) this.#raisedTo = seq;
    if (seq > this.#above) this.#wake?.();
  }

  /**
   * Resolves when something happened after `seq`, at once where it has; and when `signal` aborts.
   */
  async above(seq: Sequence, signal: AbortSignal): Promise<void> {
    if (this.#raisedTo > seq || signal.aborted) return;
    this.#above = seq;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', this, { once: true });
    });
    this.#wake = undefined;
    signal.removeEventListener('abort', this);
  }

  /**
   * The abort of the signal of a wait: the listener itself is the handler, which costs no closure.
   */
  handleEvent(): void {
    this.#wake?.();
  }
}
