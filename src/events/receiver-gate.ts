import type { Clock } from '../util/clock.ts';
import { backOffMs } from './back-off.ts';
import type { Failure } from './webhook.ts';

/** Documents of which one after the other fails, after which the receiver is to blame. */
const FAILED_MAX = 5;
/** One that answers is asked again so soon; one that is away as `backOffMs` says. */
const ANSWERING_PAUSE_MS_MOST = 5000;

/** Who wants to try. */
export interface Trial {
  /** What belongs together: of one document the failures count once. */
  readonly lane: string;
  /** Whether it has not been tried yet. */
  readonly isFirst: boolean;
}

/**
 * Before a receiver that accepts nothing: closed, it lets one event through now and then, to see
 * whether it is back; then it opens for all. So a receiver that is away is asked seldom, and the
 * attempts of thousands of events are not used up on one that is broken. One that answers is given
 * each event once, be the gate closed or not: it may be these few events that it does not want.
 */
export class ReceiverGate {
  readonly #clock: Clock;
  readonly #of: string;
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<() => void>();
  readonly #failed = new Set<string>();
  #accepted = 0;
  #pauses = 0;
  #closed: Exclude<Failure, 'event'> | undefined;
  #isPausing = false;
  /** Whether the next one may try, although it is closed. */
  #isDue = false;

  /** `signal`: ends its timers, and every wait. */
  constructor(of: string, clock: Clock, signal: AbortSignal) {
    this.#of = of;
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#letAll(), { once: true });
  }

  /** How often something was accepted. */
  get accepted(): number {
    return this.#accepted;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Resolves when one may try, and when it ends. Whoever may then says what became of it:
   * `succeeded`, `failed`, or `passed` where there was nothing to try.
   */
  async enter({ isFirst }: Pick<Trial, 'isFirst'>): Promise<void> {
    while (this.#closed !== undefined && !this.#signal.aborted) {
      if (isFirst && this.#closed === 'receiver') return;
      if (this.#isDue) {
        this.#isDue = false;
        return;
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Whether it was closed. */
  succeeded(): boolean {
    this.#accepted += 1;
    return this.#open();
  }

  /** `waitMs`: what the receiver asks for. Whether it opens or closes with this one. */
  failed(
    { lane }: Pick<Trial, 'lane'>,
    { kind, waitMs }: { readonly kind: Failure; readonly waitMs: number | undefined },
  ): 'opened' | 'closed' | undefined {
    // It refuses this event: so it is there.
    if (kind === 'event') return this.#open() ? 'opened' : undefined;
    this.#failed.add(kind === 'down' ? `${lane} ${this.#failed.size}` : lane);
    if (this.#closed !== undefined) {
      this.#closed = kind;
      // One that was let through, or one that was under way when it closed.
      if (!this.#isPausing) void this.#pause(waitMs);
      return undefined;
    }
    if (this.#failed.size < FAILED_MAX && waitMs === undefined) return undefined;
    this.#closed = kind;
    void this.#pause(waitMs);
    return 'closed';
  }

  passed(): void {
    if (this.#closed !== undefined && !this.#isPausing) this.#letOne();
  }

  #open(): boolean {
    const wasClosed = this.#closed !== undefined;
    this.#failed.clear();
    this.#pauses = 0;
    this.#closed = undefined;
    if (wasClosed) this.#letAll();
    return wasClosed;
  }

  async #pause(waitMs = 0): Promise<void> {
    this.#isPausing = true;
    this.#isDue = false;
    this.#pauses += 1;
    // What fails at a closed gate is not remembered one by one.
    this.#failed.clear();
    const pauseMs = backOffMs(this.#pauses, this.#of);
    const mostMs = this.#closed === 'receiver' ? ANSWERING_PAUSE_MS_MOST : pauseMs;
    await this.#clock.sleep(Math.max(waitMs, Math.min(pauseMs, mostMs)), this.#signal);
    this.#isPausing = false;
    if (this.#closed !== undefined && !this.#signal.aborted) this.#letOne();
  }

  #letOne(): void {
    this.#isDue = true;
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    first();
  }

  #letAll(): void {
    this.#isDue = false;
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of all) wake();
  }
}
