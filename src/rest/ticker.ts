import type { Clock } from '../util/clock.ts';
import { SlotList } from '../util/slot-list.ts';

/** What has deadlines, and looks at them when told the time. */
export interface Ticking {
  tick(nowMs: number): void;
}

/** How late a deadline may be noticed, ms. */
const TICK_MS = 200;

/**
 * One timer for all deadlines of a server: feeds and bodies in transit are many, and a timer each
 * would cost more than the rest of a waiting one. Runs only while there is something to watch.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new SlotList<Ticking>();
  #running = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  /** `member` is told the time every TICK_MS until it is removed from the slot that it gets. */
  add(member: Ticking): number {
    const slot = this.#members.add(member);
    if (!this.#running) void this.#run();
    return slot;
  }

  remove(slot: number, member: Ticking): void {
    this.#members.remove(slot, member);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#members.size > 0) {
      await this.#clock.sleep(TICK_MS);
      const now = this.#clock.now();
      for (const member of this.#members) member.tick(now);
    }
    this.#running = false;
  }
}
