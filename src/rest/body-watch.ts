import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../util/errors.ts';
import type { Ticker, Ticking } from './ticker.ts';

/** What bodies may cost. */
export interface BodyLimits {
  /** The rate at which a body must arrive on average, once `graceMs` are over. */
  readonly rateMinBytesPerSec: number;
  readonly graceMs: number;
  /** All bodies that are held in memory at one time, bytes. */
  readonly heldBytesMax: number;
  /** How much of a body that nobody wants is read, so that its sender can see the answer. */
  readonly discardBytesMax: number;
  readonly discardMsMax: number;
}

export const DEFAULT_BODY_LIMITS: BodyLimits = {
  rateMinBytesPerSec: 1024,
  graceMs: 10_000,
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

  /** Calls `onSlow` once where the body comes slower than the limit allows, until disposed. */
  guard(request: IncomingMessage, onSlow: (error: GatewayError) => void): RateGuard {
    return new RateGuard(request, { ticker: this.#ticker, limits: this.#limits, onSlow });
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
    this.#ticker.add(guard);
    request.once('close', () => this.#ticker.remove(guard));
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
  #startedMs: number;
  #pausedMs: number | undefined;

  constructor(request: IncomingMessage, options: GuardOptions) {
    this.#request = request;
    this.#options = options;
    this.#bytesBefore = request.socket.bytesRead;
    this.#startedMs = options.ticker.now();
    options.ticker.add(this);
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
    const { limits, onSlow } = this.#options;
    const elapsedMs = nowMs - this.#startedMs;
    const bytes = this.#request.socket.bytesRead - this.#bytesBefore;
    if (elapsedMs <= limits.graceMs) return;
    if ((bytes * 1000) / elapsedMs >= limits.rateMinBytesPerSec) return;
    this[Symbol.dispose]();
    onSlow(new GatewayError('tooSlow', 'the body came too slowly and was given up'));
  }

  [Symbol.dispose](): void {
    this.#options.ticker.remove(this);
  }
}

interface GuardOptions {
  readonly ticker: Ticker;
  readonly limits: BodyLimits;
  readonly onSlow: (error: GatewayError) => void;
}
