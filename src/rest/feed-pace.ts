import type { Clock } from '../util/clock.ts';

/** The shortest time between two flushes while there is something to flush, ms: of few feeds … */
const GAP_MS_MIN = 10;
/** … and this much more for each that had its turn, … */
const GAP_MS_PER_FEED = 0.2;
/** … up to this. */
const GAP_MS_OF_MANY = 40;
/**
 * The gap is at least this many times what the last flush took: so feeds get a share of the CPU.
 */
const GAP_PER_FLUSH = 3;
const GAP_MS_MAX = 1000;

/**
 * The common rhythm of all feeds of a process. What costs is the write to a socket, not the row: so
 * an idle feed sends its first row at once, and under load rows are left where they are until the
 * next turn, and then go out together (`measured.md`: 9.2 µs a row one by one, 1.1 µs every 25 ms).
 */
export class FeedPace {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #nextFlushMs = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the caller may read and write rows: at once where nothing was written lately. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#scheduled) return;
      this.#scheduled = true;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const waitMs = this.#nextFlushMs - this.#clock.now();
    if (waitMs > 0) await this.#clock.sleep(waitMs);
    const turns = this.#waiting;
    this.#waiting = [];
    this.#scheduled = false;
    const startedMs = performance.now();
    for (const resolve of turns) resolve();
    const leastMs = Math.min(GAP_MS_MIN + turns.length * GAP_MS_PER_FEED, GAP_MS_OF_MANY);
    this.#nextFlushMs = this.#clock.now() + leastMs;
    // What the turns do before the loop goes on, they did in this flush.
    setImmediate(() => {
      const gapMs = Math.min(GAP_PER_FLUSH * (performance.now() - startedMs), GAP_MS_MAX);
      if (gapMs > leastMs) this.#nextFlushMs = this.#clock.now() + gapMs;
    });
  }
}
