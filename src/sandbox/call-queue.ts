import { GatewayError } from '../util/errors.ts';
import type { FunctionRecord } from './child-contents.ts';
import type { Limits } from './limits.ts';
import type { SyncInput } from './sandbox.ts';

/** A call that waits for a child, is with one, or (taken back from a stuck one) both. */
export class QueuedCall {
  readonly record: FunctionRecord;
  /** Undefined: only compile the function. */
  readonly input: SyncInput | undefined;
  readonly chars: number;
  readonly answer: Promise<string>;
  /** How many children died with it, without blame. */
  deaths = 0;
  #isSettled = false;
  readonly #settle: Pick<PromiseWithResolvers<string>, 'resolve' | 'reject'>;

  constructor(record: FunctionRecord, input: SyncInput | undefined, chars: number) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.record = record;
    this.input = input;
    this.chars = chars;
    this.answer = promise;
    this.#settle = { resolve, reject };
  }

  /** Whether it is answered or failed: what else becomes of it is of no interest. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  resolve(answer: string): void {
    this.#isSettled = true;
    this.#settle.resolve(answer);
  }

  reject(cause: GatewayError): void {
    this.#isSettled = true;
    this.#settle.reject(cause);
  }
}

/**
 * Calls in the order in which they came, bounded in number and size. NOTE: the places of those that
 * are taken are emptied at once: else the array would keep documents long after their answers.
 */
export class CallQueue {
  readonly #limits: Limits;
  #calls: (QueuedCall | undefined)[] = [];
  /** Places before this one are empty; they leave the array now and then. */
  #head = 0;
  #chars = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#calls.length - this.#head;
  }

  /** Throws `unavailable` where too many calls, or too large ones, wait. */
  add(call: QueuedCall): void {
    const full =
      this.length >= this.#limits.queueCalls ||
      (this.length > 0 && this.#chars + call.chars > this.#limits.queueChars);
    if (full) throw new GatewayError('unavailable', 'too many writes wait for the sync function');
    this.#calls.push(call);
    this.#chars += call.chars;
  }

  /** Puts calls that were taken back to where they were: the first. */
  putBack(calls: readonly QueuedCall[]): void {
    if (calls.length === 0) return;
    this.#restart(calls);
    for (const call of calls) this.#chars += call.chars;
  }

  /**
   * The next calls that make one batch, without those of `barred` functions, which keep their
   * places.
   */
  take(barred: ReadonlySet<FunctionRecord> = NONE): readonly QueuedCall[] {
    const { batchCalls, batchChars } = this.#limits;
    const taken: QueuedCall[] = [];
    const left: QueuedCall[] = [];
    let chars = 0;
    for (let call = this.#calls[this.#head]; call !== undefined; call = this.#calls[this.#head]) {
      if (barred.has(call.record)) left.push(call);
      else if (call.isSettled) this.#chars -= call.chars;
      else if (taken.length === batchCalls) break;
      else if (taken.length > 0 && chars + call.chars > batchChars) break;
      else {
        taken.push(call);
        chars += call.chars;
      }
      this.#calls[this.#head] = undefined;
      this.#head++;
    }
    this.#chars -= chars;
    if (left.length > 0 || this.#head > EMPTY_KEPT_MAX) this.#restart(left);
    else if (this.#head === this.#calls.length) {
      this.#calls.length = 0;
      this.#head = 0;
    }
    return taken;
  }

  /** With these before those that wait. */
  #restart(first: readonly QueuedCall[]): void {
    const rest = this.#calls.splice(this.#head);
    this.#calls = [...first, ...rest];
    this.#head = 0;
  }
}

const NONE: ReadonlySet<FunctionRecord> = new Set();
const EMPTY_KEPT_MAX = 1024;
