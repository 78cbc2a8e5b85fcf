import { watch, type FSWatcher } from 'node:fs';

import type { Sequence } from '../../document/types.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';

/** The history is looked at so often in any case, whatever wake-ups were lost. */
const CHECK_EVERY_MS = 1000;
/** A change of the WAL is seen before the commit is visible: so often is it looked at … */
const RECHECKS = 10;
/** … this far apart. */
const RECHECK_EVERY_MS = 1;
/** While this process commits, each commit tells the newest: others are looked for so late. */
const RECHECK_BUSY_MS = 20;

interface HistorySource {
  /** The end of the history as it is visible now; throws where it cannot be read. */
  lastSequence(): Sequence;
  /** Every second: whether the file is there and can be read. */
  isReadable(): boolean;
  /** The end of the history could not be read. */
  failed(cause: unknown): void;
  /** Whether commits of this process are on their way. */
  committing(): boolean;
  /** The file that changes with every commit of any process; undefined where there is but one. */
  readonly walPath: string | undefined;
}

/**
 * Wakes those who wait for the history to grow: by a commit of this process at once, of another by
 * a watch of the WAL file, and by a look every second. It watches only while someone waits, and
 * keeps no process alive.
 */
export class HistoryWatch implements Disposable {
  readonly #source: HistorySource;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiters = new Set<{ readonly seq: Sequence; readonly wake: () => void }>();
  readonly #closing = new AbortController();
  #watcher: FSWatcher | undefined;
  #watching: AbortController | undefined;
  #rechecking = false;
  #rechecksLeft = 0;
  #newest = 0;

  constructor(source: HistorySource, options: { readonly clock: Clock; readonly log: Log }) {
    this.#source = source;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The history is known to reach this sequence. */
  raise(seq: Sequence): void {
    if (seq <= this.#newest) return;
    this.#newest = seq;
    for (const waiter of this.#waiters) if (waiter.seq < seq) waiter.wake();
  }

  /**
   * Resolves when the history has grown past `seq` or cannot be read, `signal` aborts, or the watch
   * is disposed.
   */
  async above(seq: Sequence, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closing.signal.aborted) return;
    if (this.#watching === undefined) this.#startWatching();
    if (this.#newest > seq) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { seq, wake };
      signal.addEventListener('abort', wake);
      this.#waiters.add(waiter);
    });
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#wakeAll();
    this.#stopWatching();
  }

  #check(): void {
    try {
      this.raise(this.#source.lastSequence());
    } catch (cause) {
      this.#log.warn('the history of the bucket cannot be read; trying again', { cause });
      this.#source.failed(cause);
      this.#wakeAll();
    }
  }

  #wakeAll(): void {
    for (const { wake } of this.#waiters) wake();
  }

  #startWatching(): void {
    const stop = new AbortController();
    this.#watching = stop;
    void this.#checkRegularly(stop.signal);
    this.#watchFile(stop.signal);
    // What came after the caller looked, and before the watch.
    this.#check();
  }

  #watchFile(signal: AbortSignal): void {
    const { walPath } = this.#source;
    if (walPath === undefined) return;
    try {
      this.#watcher = watch(walPath, { persistent: false }, () => {
        this.#rechecksLeft = RECHECKS;
        if (!this.#rechecking) void this.#recheck(signal);
      });
      this.#watcher.on('error', (cause) => this.#watchFailed(cause));
    } catch (cause) {
      this.#watchFailed(cause);
    }
  }

  #watchFailed(cause: unknown): void {
    this.#log.warn('the bucket is not watched; other processes are seen late', { cause });
  }

  #stopWatching(): void {
    this.#watching?.abort();
    this.#watching = undefined;
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #checkRegularly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(CHECK_EVERY_MS, signal);
      if (signal.aborted) return;
      // A busy reader waits again and again: its watch is kept until a second without a waiter.
      if (this.#waiters.size === 0) this.#stopWatching();
      else if (this.#source.isReadable()) this.#check();
      else this.#wakeAll();
    }
  }

  /** Looks again and again, until a while after the last change of the file. */
  async #recheck(signal: AbortSignal): Promise<void> {
    this.#rechecking = true;
    while (this.#rechecksLeft > 0 && !signal.aborted) {
      const busy = this.#source.committing();
      this.#rechecksLeft = busy ? 0 : this.#rechecksLeft - 1;
      await this.#clock.sleep(busy ? RECHECK_BUSY_MS : RECHECK_EVERY_MS, signal);
      if (!signal.aborted) this.#check();
    }
    this.#rechecking = false;
  }
}
