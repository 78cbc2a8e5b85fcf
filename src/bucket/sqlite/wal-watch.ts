import { watch, type FSWatcher } from 'node:fs';

import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';

/** A change of the file is seen before the commit is visible: so often is it looked … */
const RECHECKS = 10;
/** … this far apart. */
const RECHECK_EVERY_MS = 1;
/** While this process commits, each commit tells the newest: others are looked for so late. */
const RECHECK_BUSY_MS = 20;
/** With so many more groups of commits … */
const GROUPS_FREQUENT = 8;
/** … within this time the file is not watched, but looked at regularly, … */
const FREQUENT_MS = 200;
/** … so far apart, … */
const LOOK_EVERY_MS = 12;
/** … until so many looks have found that this process committed nothing. */
const QUIET_LOOKS = 8;

export interface WatchedWal {
  readonly path: string;
  /** Looks what is there. */
  look(): void;
  /** Whether commits of this process are on their way. */
  committing(): boolean;
}

/**
 * Looks into a bucket whenever its WAL file changes, which it does with the commits of any process.
 * A watch of the file tells of it. It tells of each page of this process's commits, too, and makes
 * writing them dearer; so while those are frequent, there is a look every LOOK_EVERY_MS instead.
 */
export class WalWatch implements Disposable {
  readonly #wal: WatchedWal;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #closing = new AbortController();
  #watcher: FSWatcher | undefined;
  /** When the last groups were committed, in a ring. */
  readonly #groupMs: number[] = Array.from({ length: GROUPS_FREQUENT }, () => 0);
  #groups = 0;
  #groupsAreFrequent = false;
  #rechecking = false;
  #rechecksLeft = 0;

  constructor(wal: WatchedWal, options: { readonly clock: Clock; readonly log: Log }) {
    this.#wal = wal;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#open();
  }

  /** Whether the file is watched at this moment. */
  get isWatching(): boolean {
    return this.#watcher !== undefined;
  }

  /** This process has committed a group. */
  committed(): void {
    const at = this.#groups % GROUPS_FREQUENT;
    this.#groups += 1;
    if (this.#groupsAreFrequent || this.#closing.signal.aborted) return;
    const nowMs = this.#clock.now();
    const oldestMs = this.#groupMs[at] ?? 0;
    this.#groupMs[at] = nowMs;
    if (nowMs - oldestMs < FREQUENT_MS) void this.#lookRegularly(this.#closing.signal);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#close();
  }

  #open(): void {
    try {
      this.#watcher = watch(this.#wal.path, { persistent: false }, () => this.#changed());
      this.#watcher.on('error', (cause) => this.#failed(cause));
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #failed(cause: unknown): void {
    this.#log.warn('the bucket is not watched; other processes are seen late', { cause });
  }

  #changed(): void {
    this.#rechecksLeft = RECHECKS;
    if (!this.#rechecking) void this.#recheck(this.#closing.signal);
  }

  /** Instead of the watch, as long as this process commits. */
  async #lookRegularly(signal: AbortSignal): Promise<void> {
    this.#groupsAreFrequent = true;
    this.#close();
    for (let quiet = 0, seen = 0; quiet < QUIET_LOOKS;) {
      await this.#clock.sleep(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      this.#wal.look();
      quiet = this.#groups === seen ? quiet + 1 : 0;
      seen = this.#groups;
    }
    this.#groupsAreFrequent = false;
    this.#open();
    // As if the file had changed just before it was watched again.
    this.#changed();
  }

  /** Looks again and again, until a while after the last change of the file. */
  async #recheck(signal: AbortSignal): Promise<void> {
    this.#rechecking = true;
    while (this.#rechecksLeft > 0 && !signal.aborted) {
      const busy = this.#wal.committing();
      this.#rechecksLeft = busy ? 0 : this.#rechecksLeft - 1;
      await this.#clock.sleep(busy ? RECHECK_BUSY_MS : RECHECK_EVERY_MS, signal);
      if (!signal.aborted) this.#wal.look();
    }
    this.#rechecking = false;
  }
}
