import type { Ticker, Ticking } from './ticker.ts';

export interface FeedTimerOptions {
  readonly ticker: Ticker;
  /** 0: none. */
  readonly heartbeatMs: number;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Each of them ends the feed. */
  readonly endings: readonly AbortSignal[];
  readonly beat: () => void;
}

/** When a feed that has nothing to tell shows that it lives, and when it ends. */
export class FeedTimer implements Ticking, Disposable {
  readonly #options: FeedTimerOptions;
  readonly #ended = new AbortController();
  #lastBeatMs: number;
  #lastRowMs: number;

  constructor(options: FeedTimerOptions) {
    this.#options = options;
    const now = options.ticker.now();
    this.#lastBeatMs = now;
    this.#lastRowMs = now;
    if (options.heartbeatMs > 0 || options.timeoutMs > 0) options.ticker.add(this);
    for (const ending of options.endings) {
      ending.addEventListener('abort', this);
      if (ending.aborted) this.#ended.abort();
    }
  }

  /** Aborts when the feed has waited long enough, or one of the endings came. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Rows were sent: both periods begin anew. */
  sent(): void {
    this.#lastRowMs = this.#options.ticker.now();
    this.#lastBeatMs = this.#lastRowMs;
  }

  tick(nowMs: number): void {
    const { heartbeatMs, timeoutMs, beat } = this.#options;
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

  [Symbol.dispose](): void {
    this.#options.ticker.remove(this);
    for (const ending of this.#options.endings) ending.removeEventListener('abort', this);
  }
}
