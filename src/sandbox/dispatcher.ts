import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { deliver, makeBatch, type Batch } from './batch.ts';
import { CallQueue, QueuedCall } from './call-queue.ts';
import type { FunctionRecord } from './child-contents.ts';
import type { Limits } from './limits.ts';
import { functionFailed } from './parse-outcome.ts';
import type { SyncInput } from './sandbox.ts';
import { ChildEnded, SandboxChild } from './sandbox-child.ts';
import { Seat } from './seat.ts';

/**
 * Gives calls to children. One child works on one batch, what comes meanwhile is the next batch,
 * and another stands ready: it takes over when the first dies, and takes what waits when it is
 * slow; once that has happened, there is a third one. So what a call does to its child is felt by
 * that call, and by others as a short wait.
 *
 * When a child dies, the call that it had begun fails and the other calls of its batch go first to
 * the next child; when a call keeps a child for long, they need not wait for that. A call may run
 * twice, but it is answered once. However many calls of a function go wild, one child is left for
 * the other functions.
 */
export class Dispatcher implements AsyncDisposable {
  /** Resolves when a child is ready for the first time; rejects where the first cannot start. */
  readonly started: Promise<void>;
  readonly #options: DispatcherOptions;
  readonly #queue: CallQueue;
  readonly #seats: readonly Seat[];
  readonly #closing = new AbortController();
  readonly #seatLoops: Promise<unknown>;
  /** Resolves when the children that stand ready are not enough. */
  readonly #moreNeeded = Promise.withResolvers<void>();
  #startFailures = 0;
  #isWatching = false;
  #isPumpDue = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#queue = new CallQueue(options.limits);
    this.#seats = Array.from({ length: options.limits.children }, () => new Seat(options.limits));
    const started = Promise.withResolvers<void>();
    this.started = started.promise;
    this.started.catch(() => undefined); // NOTE: whoever waits for it is told; nobody need wait.
    this.#seatLoops = Promise.all(
      this.#seats.map(async (seat, index) => {
        // The others take memory only where some function was slow once.
        if (index >= options.limits.childrenReady) await this.#moreNeeded.promise;
        await this.#keep(seat, started);
      }),
    );
  }

  /**
   * Runs a call, or only compiles where there is no input. The answer is a child's, unchecked.
   * Throws `unavailable` where too many wait, and rejects with `functionFailed` where the call was
   * the end of its child.
   */
  submit(record: FunctionRecord, input?: SyncInput): Promise<string> {
    if (this.#closing.signal.aborted) throw closed();
    const chars = input === undefined ? record.source.length : charsOf(input);
    const call = new QueuedCall(record, input, chars);
    this.#queue.add(call);
    this.#pumpSoon();
    return call.answer;
  }

  /** Frees what the children hold of a function that is not called again. */
  forget(record: FunctionRecord): void {
    for (const { contents, due } of this.#seats) contents.forget(record.id, due);
  }

  /** Ends the children. Calls that are not answered fail with `unavailable`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#moreNeeded.resolve();
    this.#giveUp(closed());
    await this.#seatLoops;
    this.#giveUp(closed());
  }

  /** Keeps a seat taken: starts a child, and another one, after a pause, when it is gone. */
  async #keep(seat: Seat, started: PromiseWithResolvers<void>): Promise<void> {
    const { limits, log, clock } = this.#options;
    const { signal } = this.#closing;
    let failures = 0;
    while (!signal.aborted) {
      const child = new SandboxChild({ limits, log });
      const close = () => child.kill('was closed');
      signal.addEventListener('abort', close);
      const tooSlow = new AbortController();
      const slowStart = clock.sleep(limits.startMs, tooSlow.signal);
      void slowStart.then(() => tooSlow.signal.aborted || child.kill('did not start in time'));
      try {
        await child.ready;
        this.#startFailures = 0;
        started.resolve();
        seat.take(child);
        this.#pumpSoon();
      } catch (cause) {
        started.reject(cause);
        this.#startFailed(cause);
      }
      tooSlow.abort();
      await child.gone;
      signal.removeEventListener('abort', close);
      failures = seat.answered ? 0 : failures + 1;
      seat.leave();
      const pauseMs = Math.min(limits.restartMsFirst * 2 ** failures, limits.restartMsMost);
      if (failures > 0) await clock.sleep(pauseMs, signal);
    }
  }

  #startFailed(cause: unknown): void {
    if (this.#closing.signal.aborted) return;
    const { log, limits } = this.#options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    log.error('sandbox child did not start', { reason });
    this.#startFailures++;
    if (this.#startFailures < limits.startFailures) return;
    if (this.#seats.some(({ child }) => child !== undefined)) return;
    this.#giveUp(new GatewayError('unavailable', `the sandbox does not start: it ${reason}`));
  }

  #giveUp(cause: GatewayError): void {
    while (this.#queue.length > 0) for (const call of this.#queue.take()) call.reject(cause);
  }

  /** Calls of the same turn share a batch. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const seat = this.#freeSeat();
      if (seat?.child === undefined) return;
      const calls = this.#queue.take(this.#barred());
      if (calls.length === 0) return;
      const batch = makeBatch(calls, seat.contents, seat.takeDue());
      void this.#work(seat, seat.child, batch);
    }
  }

  /** Functions that are slow in all seats but one: that one is for the others. */
  #barred(): ReadonlySet<FunctionRecord> {
    if (!this.#seats.some(({ isSlow }) => isSlow)) return NONE;
    const slow = this.#seats.flatMap(({ slowFunction }) => slowFunction ?? []);
    const most = Math.max(this.#seats.length - 1, 1);
    return new Set(slow.filter((each) => slow.filter((other) => other === each).length >= most));
  }

  /** A seat for the next batch: another one works only while all that work are slow. */
  #freeSeat(): Seat | undefined {
    if (this.#seats.some(({ batch, isSlow }) => batch !== undefined && !isSlow)) return undefined;
    return this.#seats.find(({ child, batch }) => child?.ended === false && batch === undefined);
  }

  async #work(seat: Seat, child: SandboxChild, batch: Batch): Promise<void> {
    seat.begin(batch);
    void this.#watch();
    try {
      const { again, due } = deliver(batch, await child.run(batch.items), seat.contents);
      seat.due.push(...due);
      seat.answered = true;
      this.#queue.putBack(again.filter((call) => seat.holds(call)));
    } catch (cause) {
      this.#mourn(seat, batch, cause);
    }
    seat.end();
    if (this.#closing.signal.aborted) this.#giveUp(closed());
    else this.#pump();
  }

  /** A child died with a batch: the call that it had begun is to blame. */
  #mourn(seat: Seat, { calls, owners }: Batch, cause: unknown): void {
    if (!(cause instanceof ChildEnded)) {
      for (const call of calls) call.reject(functionFailed('the sandbox broke'));
      this.#options.log.error('bug: sandbox batch failed', { cause: String(cause) });
      return;
    }
    const guilty = cause.begun === undefined ? undefined : owners[cause.begun];
    const isClosing = this.#closing.signal.aborted;
    this.#moreNeeded.resolve();
    if (!isClosing) {
      const { message: reason } = cause;
      this.#options.log.warn('sandbox child ended', { reason, calls: calls.length });
    }
    guilty?.reject(isClosing ? closed() : functionFailed(cause.message));
    const again = calls.filter((call) => {
      if (!seat.holds(call)) return false;
      if (isClosing) call.reject(closed());
      else if (guilty !== undefined) return true;
      else if (++call.deaths < this.#options.limits.attempts) return true;
      else call.reject(new GatewayError('unavailable', 'the sync function could not be run'));
      return false;
    });
    this.#queue.putBack(again);
  }

  /** Looks at working children now and then, for as long as any works. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock, limits } = this.#options;
    while (this.#seats.some(({ batch }) => batch !== undefined)) {
      await clock.sleep(limits.checkMs, this.#closing.signal);
      if (this.#closing.signal.aborted) break;
      for (const seat of this.#seats) {
        seat.look(clock.now());
        this.#queue.putBack(seat.withdraw(clock.now()));
        if (seat.isSlow) this.#moreNeeded.resolve();
      }
      this.#pump();
    }
    this.#isWatching = false;
  }
}

const NONE: ReadonlySet<FunctionRecord> = new Set();

export interface DispatcherOptions {
  readonly limits: Limits;
  readonly log: Log;
  readonly clock: Clock;
}

function charsOf({ doc, oldDoc, meta }: SyncInput): number {
  return doc.length + (oldDoc?.length ?? 0) + meta.length;
}

const closed = () => new GatewayError('unavailable', 'the sandbox is closed');
