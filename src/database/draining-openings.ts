import type { Log } from '../observability/log.ts';
import type { Database } from './database.ts';

/** So many may answer requests still; a further change of the configuration waits for one. */
const DRAINING_MAX = 4;

/** Openings of a database with older configurations, which end the requests that they have. */
export class DrainingOpenings {
  readonly #log: Log;
  readonly #draining = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Takes no more requests. */
  add(old: Database): void {
    const draining = old[Symbol.asyncDispose]()
      .catch((cause: unknown) => {
        this.#log.error('a database could not be closed', { error: cause });
      })
      .finally(() => this.#draining.delete(draining));
    this.#draining.add(draining);
  }

  /** Resolves when one more may be added. */
  async room(): Promise<void> {
    if (this.#draining.size >= DRAINING_MAX) await Promise.race(this.#draining);
  }

  /** Resolves when all that are there have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#draining);
  }
}
