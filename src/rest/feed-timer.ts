import { feedBegan, feedEnded } from '../observability/events.ts';
import type { Observer } from '../observability/events.ts';
import type { Ticker, Ticking } from './ticker.ts';

export interface FeedTimerOptions {
  readonly ticker: Ticker;
  readonly observer: Observer;
  /** 0: none. */
  readonly heartbeatMs: number;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Each of them ends the feed. */
  readonly endings: readonly AbortSignal[];
  readonly beat: () => void;
  /**
   * Whether the reader's credentials still hold, asked now and then: a feed outlasts sessions.
   * Undefined where they cannot end before the feed does.
   */
  readonly holds?: (() => Promise<boolean>) | undefined;
}

/** How long a feed may outlast the credentials that it was opened with, ms. */
const HOLDS_EVERY_MS = 30_000;

/**
 * A feed that waits for what is new: when it shows that it lives, and when it ends. It is counted
 * from its begin to its end.
 */
export class FeedTimer implements Ticking, Disposable {
  readonly #options: FeedTimerOptions;
  readonly #ended = new AbortController();
  readonly #slot: number | undefined;
  #lastBeatMs: number;
  #lastRowMs: number;
  #lastCheckMs: number;
  readonly #beganMs: number;
  #lapsed = false;

  constructor(options: FeedTimerOptions) {
    this.#options = options;
    const now = options.ticker.now();
    this.#lastBeatMs = now;
    this.#lastRowMs = now;
    this.#lastCheckMs = now;
    this.#beganMs = now;
    feedBegan(options.observer);
    const { heartbeatMs, timeoutMs, holds } = options;
    const isTimed = heartbeatMs > 0 || timeoutMs > 0 || holds !== undefined;
    this.#slot = isTimed ? options.ticker.add(this) : undefined;
    for (const ending of options.endings) {
      ending.addEventListener('abort', this);
      if (ending.aborted) this.#ended.abort();
    }
  }

  /** Aborts when the feed has waited long enough, or one of the endings came. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether it ended because the credentials do not hold any more. */
  get lapsed(): boolean {
    return this.#lapsed;
  }

  /** Rows were sent: both periods begin anew. */
  sent(): void {
    this.#lastRowMs = this.#options.ticker.now();
    this.#lastBeatMs = this.#lastRowMs;
  }

  tick(nowMs: number): void {
    const { heartbeatMs, timeoutMs, beat, holds } = this.#options;
    if (holds !== undefined && nowMs - this.#lastCheckMs >= HOLDS_EVERY_MS) {
      this.#lastCheckMs = nowMs;
      void this.#check(holds);
    }
    if (timeoutMs > 0 && nowMs - this.#lastRowMs >= timeoutMs) this.#ended.abort();
    else if (heartbeatMs > 0 && nowMs - this.#lastBeatMs >= heartbeatMs) {
      this.#lastBeatMs = nowMs;
      beat();
    }
  }

  /** The abort of an ending: the timer itself is the handler, which costs no closure. */
  handleEvent(): void {
    this.#ended.abort();
  }

  async #check(holds: () => Promise<boolean>): Promise<void> {
    if (await holds()) return;
    this.#lapsed = true;
    this.#ended.abort();
  }

  [Symbol.dispose](): void {
    const { ticker, observer } = this.#options;
    if (this.#slot !== undefined) ticker.remove(this.#slot, this);
    feedEnded(observer, { elapsedMs: ticker.now() - this.#beganMs });
    for (const ending of this.#options.endings) ending.removeEventListener('abort', this);
  }
}
