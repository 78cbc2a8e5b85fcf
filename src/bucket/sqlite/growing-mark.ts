import { SlotList } from '../../util/slot-list.ts';

/** Who waits for a number above this one. */
interface Waiter {
  readonly value: number;
  readonly wake: () => void;
}

/** A number that only grows, and those who wait for it to do so. */
export class GrowingMark {
  readonly #waiters = new SlotList<Waiter>();
  #newest = 0;

  get newest(): number {
    return this.#newest;
  }

  get isAwaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Wakes those who wait for a number above a smaller one. */
  raise(value: number): void {
    if (value <= this.#newest) return;
    this.#newest = value;
    for (const waiter of this.#waiters) if (waiter.value < value) waiter.wake();
  }

  /** Wakes all, whatever they wait for. */
  wakeAll(): void {
    for (const { wake } of this.#waiters) wake();
  }

  /** Resolves when it is above `value`, with `wakeAll`, or when `signal` aborts. */
  async above(value: number, signal: AbortSignal): Promise<void> {
    if (this.#newest > value || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        this.#waiters.remove(slot, waiter);
        resolve();
      };
      const waiter = { value, wake };
      const slot = this.#waiters.add(waiter);
      signal.addEventListener('abort', wake);
    });
  }
}
