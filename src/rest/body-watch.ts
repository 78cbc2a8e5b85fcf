import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../util/errors.ts';
import type { Ticker, Ticking } from './ticker.ts';

/** What bodies may cost. */
export interface BodyLimits {
  /** The rate at which a body must arrive on average, once `graceMs` are over. */
  readonly rateMinBytesPerSec: number;
  readonly graceMs: number;
  /** The longest that a body may take that is held in memory until it is there; 0: no limit, ms. */
  readonly heldMsMax: number;
  /** All bodies in memory at one time, unpacked, until their requests are answered, bytes. */
  readonly heldBytesMax: number;
  /** How much of a body that nobody wants is read, so that its sender can see the answer. */
  readonly discardBytesMax: number;
  readonly discardMsMax: number;
}

export const DEFAULT_BODY_LIMITS: BodyLimits = {
  rateMinBytesPerSec: 1024,
  graceMs: 10_000,
  heldMsMax: 300_000,
  heldBytesMax: 256 * 1024 * 1024,
  discardBytesMax: 64 * 1024 * 1024,
  discardMsMax: 10_000,
};

/** Watches over the bodies in transit of one server: none is too slow, and together they fit. */
export class BodyWatch {
  readonly #ticker: Ticker;
  readonly #limits: BodyLimits;
  #heldBytes = 0;

  constructor(ticker: Ticker, limits: BodyLimits) {
    this.#ticker = ticker;
    this.#limits = limits;
  }

  /** Reserves memory for a body, until `release`; `unavailable` where none is left. */
  hold(bytes: number): void {
    if (this.#heldBytes + bytes > this.#limits.heldBytesMax)
      throw new GatewayError('unavailable', 'too many large requests at once; try again');
    this.#heldBytes += bytes;
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  /** For a body that is held in memory, until it is disposed of. */
  holding(): Holding {
    return new Holding(this, { ticker: this.#ticker, limits: this.#limits });
  }

  /**
   * Calls `onSlow` once where the body comes slower than the limit allows, until disposed. One that
   * is `streamed`, and not held, may take any time: so large ones are not cut off.
   */
  guard(
    request: IncomingMessage,
    onSlow: (error: GatewayError) => void,
    { streamed }: { readonly streamed: boolean },
  ): RateGuard {
    const limits = this.#limits;
    const msMax = streamed ? 0 : limits.heldMsMax;
    return new RateGuard(request, { ticker: this.#ticker, limits, msMax, onSlow });
  }

  /** Reads what is left of a body into nothing, within limits; then cuts the connection. */
  discard(request: IncomingMessage): void {
    if (request.complete || !hasBody(request)) return;
    const { discardBytesMax, discardMsMax } = this.#limits;
    const startedMs = this.#ticker.now();
    const { socket } = request;
    const lengthMax = socket.bytesRead + discardBytesMax;
    const guard: Ticking = {
      tick: (nowMs) => {
        if (nowMs - startedMs > discardMsMax || socket.bytesRead > lengthMax) socket.destroy();
      },
    };
    const slot = this.#ticker.add(guard);
    request.once('close', () => this.#ticker.remove(slot, guard));
    request.once('error', () => undefined); // a sender that goes away now is no news
    request.resume();
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** Time in which nobody wants more of the body (`pause` to `resume`) does not count. */
class RateGuard implements Ticking, Disposable {
  readonly #request: IncomingMessage;
  readonly #options: GuardOptions;
  readonly #bytesBefore: number;
  readonly #slot: number;
  #startedMs: number;
  #pausedMs: number | undefined;

  constructor(request: IncomingMessage, options: GuardOptions) {
    this.#request = request;
    this.#options = options;
    this.#bytesBefore = request.socket.bytesRead;
    this.#startedMs = options.ticker.now();
    this.#slot = options.ticker.add(this);
  }

  pause(): void {
    this.#pausedMs = this.#options.ticker.now();
  }

  resume(): void {
    if (this.#pausedMs !== undefined)
      this.#startedMs += this.#options.ticker.now() - this.#pausedMs;
    this.#pausedMs = undefined;
  }

  tick(nowMs: number): void {
    if (this.#pausedMs !== undefined) return;
    const { limits, msMax, onSlow } = this.#options;
    const elapsedMs = nowMs - this.#startedMs;
    const bytes = this.#request.socket.bytesRead - this.#bytesBefore;
    const isLate = msMax > 0 && elapsedMs > msMax;
    if (!isLate && elapsedMs <= limits.graceMs) return;
    if (!isLate && (bytes * 1000) / elapsedMs >= limits.rateMinBytesPerSec) return;
    this[Symbol.dispose]();
    onSlow(tooSlow());
  }

  [Symbol.dispose](): void {
    this.#options.ticker.remove(this.#slot, this);
  }
}

/** Memory that is reserved bit by bit. */
export class Holding implements Disposable {
  readonly #watch: BodyWatch;
  readonly #options: { readonly ticker: Ticker; readonly limits: BodyLimits };
  readonly #startedMs: number;
  #bytes = 0;

  constructor(watch: BodyWatch, options: { readonly ticker: Ticker; readonly limits: BodyLimits }) {
    this.#watch = watch;
    this.#options = options;
    this.#startedMs = options.ticker.now();
  }

  /** Throws as `hold`, `tooSlow` where it takes too long. */
  add(bytes: number): void {
    const { ticker, limits } = this.#options;
    const isLate = limits.heldMsMax > 0 && ticker.now() - this.#startedMs > limits.heldMsMax;
    if (isLate) throw tooSlow();
    this.#watch.hold(bytes);
    this.#bytes += bytes;
  }

  [Symbol.dispose](): void {
    this.#watch.release(this.#bytes);
    this.#bytes = 0;
  }
}

const tooSlow = (): GatewayError =>
  new GatewayError('tooSlow', 'the body came too slowly and was given up');

interface GuardOptions {
  readonly ticker: Ticker;
  readonly limits: Pick<BodyLimits, 'rateMinBytesPerSec' | 'graceMs'>;
  /** 0: no limit. */
  readonly msMax: number;
  readonly onSlow: (error: GatewayError) => void;
}
