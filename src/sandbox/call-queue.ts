import { GatewayError } from '../util/errors.ts';
import type { FunctionRecord } from './child-contents.ts';
import type { Limits } from './limits.ts';
import type { SyncInput } from './sandbox.ts';

/** A call that waits for a child, or is with one. */
export interface QueuedCall {
  readonly record: FunctionRecord;
  /** Undefined: only compile the function. */
  readonly input: SyncInput | undefined;
  readonly chars: number;
  /** How many children died with it, without blame. */
  deaths: number;
  readonly resolve: (answer: string) => void;
  readonly reject: (cause: GatewayError) => void;
}

/** Calls in the order in which they came, bounded in number and size. */
export class CallQueue {
  readonly #limits: Limits;
  #calls: QueuedCall[] = [];
  /** Calls before this one are taken; they leave the array now and then. */
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
    this.#calls = [...calls, ...this.#calls.slice(this.#head)];
    this.#head = 0;
    for (const call of calls) this.#chars += call.chars;
  }

  /** The next calls that make one batch: at least one, where any waits. */
  take(): readonly QueuedCall[] {
    const { batchCalls, batchChars } = this.#limits;
    const taken: QueuedCall[] = [];
    let chars = 0;
    for (let call = this.#calls[this.#head]; call !== undefined; call = this.#calls[this.#head]) {
      if (taken.length === batchCalls || (taken.length > 0 && chars + call.chars > batchChars))
        break;
      taken.push(call);
      chars += call.chars;
      this.#head++;
    }
    this.#chars -= chars;
    if (this.#head > TAKEN_KEPT_MAX || this.#head === this.#calls.length) {
      this.#calls = this.#calls.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}

const TAKEN_KEPT_MAX = 1024;
