import type { Batch } from './batch.ts';
import { ChildContents } from './child-contents.ts';
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
    this.isSlow = false;
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
    const limitMs = this.#timeLimitMs(batch);
    if (this.#looksAtCall > LOOKS_LEAST && nowMs - this.#begunAt >= limitMs)
      child.kill(`took longer than ${limitMs} ms`);
  }

  #newCall(begun: number | undefined, nowMs: number): void {
    this.#begun = begun;
    this.#begunAt = nowMs;
    this.#looksAtCall = 0;
  }

  #timeLimitMs({ owners }: Batch): number {
    const owner = this.#begun === undefined ? undefined : owners[this.#begun];
    if (owner === undefined) return this.#limits.readMs;
    const { timeoutMs } = owner.record;
    const readMs = Math.floor((owner.chars / 1e6) * this.#limits.msPerMillionChars);
    return (timeoutMs === 0 ? this.#limits.timeoutMs : timeoutMs) + readMs;
  }
}

const LOOKS_LEAST = 2;
