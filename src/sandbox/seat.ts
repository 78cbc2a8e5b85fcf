import type { Batch } from './batch.ts';
import type { QueuedCall } from './call-queue.ts';
import { ChildContents, type FunctionRecord } from './child-contents.ts';
import type { Limits } from './limits.ts';
import type { SandboxChild } from './sandbox-child.ts';
import type { Item } from './wire.ts';

/** The place of a child, which is taken by one after another. */
export class Seat {
  child: SandboxChild | undefined;
  contents: ChildContents;
  /** What the child must be told with the next batch. */
  due: Item[] = [];
  batch: Batch | undefined;
  /** Whether the batch takes long: then it does not keep others from working. */
  isSlow = false;
  /** Whether this child ever answered a batch. */
  answered = false;
  /** Calls of the batch that another child has been given meanwhile. */
  readonly #withdrawn = new Set<QueuedCall>();
  readonly #limits: Limits;
  #seen: Batch | undefined;
  #looks = 0;
  #begun: number | undefined;
  #begunAt = 0;
  #looksAtCall = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.contents = new ChildContents(limits);
  }

  take(child: SandboxChild): void {
    this.child = child;
    this.contents = new ChildContents(this.#limits);
    this.due = [];
    this.answered = false;
  }

  leave(): void {
    this.child = undefined;
  }

  takeDue(): readonly Item[] {
    const { due } = this;
    this.due = [];
    return due;
  }

  begin(batch: Batch): void {
    this.batch = batch;
    this.isSlow = false;
  }

  end(): void {
    this.batch = undefined;
    this.#seen = undefined;
    this.isSlow = false;
    if (this.#withdrawn.size > 0) this.#withdrawn.clear();
  }

  /** The function that keeps it busy for long; undefined where none does. */
  get slowFunction(): FunctionRecord | undefined {
    return this.isSlow ? this.#owner?.record : undefined;
  }

  /** Whether the call is this seat's to answer or to give back. */
  holds(call: QueuedCall): boolean {
    return !call.isSettled && !this.#withdrawn.has(call);
  }

  /**
   * Where one call keeps the child: the other calls of its batch, once. It may still run and answer
   * them, but whoever is first does.
   */
  withdraw(nowMs: number): readonly QueuedCall[] {
    const { batch } = this;
    const owner = this.#owner;
    if (batch === undefined || owner === undefined || this.#withdrawn.size > 0) return [];
    if (!this.isSlow || nowMs - this.#begunAt < this.#limits.stuckMs) return [];
    const others = batch.calls.filter((call) => call !== owner && !call.isSettled);
    for (const call of others) this.#withdrawn.add(call);
    return others;
  }

  /**
   * Ends a child that works on one call for longer than it may. Only what was seen in several looks
   * counts: between them this process reads what came, so that its own pauses are not held against
   * the child.
   */
  look(nowMs: number): void {
    const { batch, child } = this;
    if (batch === undefined || child === undefined) return;
    if (this.#seen !== batch) {
      this.#seen = batch;
      this.#looks = 0;
      this.#newCall(undefined, nowMs);
    }
    this.#looks++;
    if (this.#looks < this.#limits.slowChecks) return;
    this.isSlow = true;
    const begun = child.begun();
    if (begun !== this.#begun) this.#newCall(begun, nowMs);
    this.#looksAtCall++;
    const limitMs = this.#timeLimitMs();
    if (this.#looksAtCall > LOOKS_LEAST && nowMs - this.#begunAt >= limitMs)
      child.kill(`took longer than ${limitMs} ms`);
  }

  #newCall(begun: number | undefined, nowMs: number): void {
    this.#begun = begun;
    this.#begunAt = nowMs;
    this.#looksAtCall = 0;
  }

  get #owner(): QueuedCall | undefined {
    return this.#begun === undefined ? undefined : this.batch?.owners[this.#begun];
  }

  #timeLimitMs(): number {
    const owner = this.#owner;
    if (owner === undefined) return this.#limits.readMs;
    const { timeoutMs } = owner.record;
    const readMs = Math.floor((owner.chars / 1e6) * this.#limits.msPerMillionChars);
    return (timeoutMs === 0 ? this.#limits.timeoutMs : timeoutMs) + readMs;
  }
}

const LOOKS_LEAST = 2;
