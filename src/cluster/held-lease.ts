import type { Lease } from '../bucket/leases.ts';

/** A lease that this process has, renewed by its `ClusterMember` until it is given back. */
export class HeldLease implements AsyncDisposable {
  readonly lease: Lease;
  readonly #lost = new AbortController();
  readonly #release: () => Promise<void>;
  #surelyUntilMs: number;

  /** `surelyUntilMs`: by the clock of this process, counted from before it was asked for. */
  constructor(lease: Lease, surelyUntilMs: number, release: () => Promise<void>) {
    this.lease = lease;
    this.#surelyUntilMs = surelyUntilMs;
    this.#release = release;
  }

  /** Aborts when it is another's, or may be: work on it is in vain, its commits are refused. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  renewed(surelyUntilMs: number): void {
    this.#surelyUntilMs = surelyUntilMs;
  }

  /** What could not be renewed in time may be over by the store's clock. */
  check(nowMs: number): void {
    if (nowMs > this.#surelyUntilMs) this.lose();
  }

  lose(): void {
    this.#lost.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lose();
    await this.#release();
  }
}
