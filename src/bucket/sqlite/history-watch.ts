import type { Sequence } from '../../document/types.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';
import { GrowingMark } from './growing-mark.ts';
import { WalWatch } from './wal-watch.ts';

/** The history is looked at so often in any case, whatever wake-ups were lost. */
const CHECK_EVERY_MS = 1000;

/** How far what is watched reaches. */
interface Ends {
  /** The last sequence. */
  readonly history: Sequence;
  /** The newest position of the queue of foreign writes. */
  readonly foreignWrites: number;
}

interface HistorySource {
  /** As it is visible now; throws where it cannot be read. */
  ends(): Ends;
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
 * Wakes those who wait for the history, or the queue of foreign writes, to grow: by a commit of
 * this process at once, of another by a watch of the WAL file, and by a look every second. It
 * watches only while someone waits, and keeps no process alive.
 */
export class HistoryWatch implements Disposable {
  readonly #source: HistorySource;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #history = new GrowingMark();
  readonly #foreignWrites = new GrowingMark();
  readonly #closing = new AbortController();
  #wal: WalWatch | undefined;
  #watching: AbortController | undefined;

  constructor(source: HistorySource, options: { readonly clock: Clock; readonly log: Log }) {
    this.#source = source;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** This process has committed a group, which brought the history to this sequence; 0: nowhere. */
  committed(seq: Sequence): void {
    this.#history.raise(seq);
    this.#wal?.committed();
  }

  /**
   * Resolves when the history has grown past `seq` or cannot be read, `signal` aborts, or the watch
   * is disposed.
   */
  async above(seq: Sequence, signal: AbortSignal): Promise<void> {
    await this.#above(this.#history, seq, signal);
  }

  /** The newest position of the queue of foreign writes that was seen. */
  get newestForeign(): number {
    return this.#foreignWrites.newest;
  }

  /** The same for the queue of foreign writes and a position in it. */
  async foreignAbove(position: number, signal: AbortSignal): Promise<void> {
    await this.#above(this.#foreignWrites, position, signal);
  }

  /** Looks how far they reach, and wakes whom it concerns. */
  look(): void {
    if (!this.#closing.signal.aborted) this.#check();
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#wakeAll();
    this.#stopWatching();
  }

  async #above(mark: GrowingMark, value: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closing.signal.aborted) return;
    if (this.#watching === undefined) this.#startWatching();
    await mark.above(value, signal);
  }

  #check(): void {
    try {
      const { history, foreignWrites } = this.#source.ends();
      this.#history.raise(history);
      this.#foreignWrites.raise(foreignWrites);
    } catch (cause) {
      this.#log.warn('the history of the bucket cannot be read; trying again', { cause });
      this.#source.failed(cause);
      this.#wakeAll();
    }
  }

  #wakeAll(): void {
    this.#history.wakeAll();
    this.#foreignWrites.wakeAll();
  }

  #startWatching(): void {
    const stop = new AbortController();
    this.#watching = stop;
    void this.#checkRegularly(stop.signal);
    this.#watchFile();
    // What came after the caller looked, and before the watch.
    this.#check();
  }

  #watchFile(): void {
    const { walPath: path } = this.#source;
    if (path === undefined) return;
    const look = (): void => this.#check();
    const committing = (): boolean => this.#source.committing();
    const options = { clock: this.#clock, log: this.#log };
    this.#wal = new WalWatch({ path, look, committing }, options);
  }

  #stopWatching(): void {
    this.#watching?.abort();
    this.#watching = undefined;
    this.#wal?.[Symbol.dispose]();
    this.#wal = undefined;
  }

  async #checkRegularly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(CHECK_EVERY_MS, signal);
      if (signal.aborted) return;
      // A busy reader waits again and again: its watch is kept until a second without a waiter.
      const isAwaited = this.#history.isAwaited || this.#foreignWrites.isAwaited;
      if (!isAwaited) this.#stopWatching();
      else if (this.#source.isReadable()) this.#check();
      else this.#wakeAll();
    }
  }
}
