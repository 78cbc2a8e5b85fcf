import type { CommitResult, RecordChange } from '../bucket/bucket.ts';

/**
 * Whose turn it is to deliver a database's events, of the processes that share its bucket. It is
 * held for a while and must be renewed; a process that was paused meanwhile has lost it, and what
 * it writes under its fence is refused.
 */
export interface DeliveryTurn extends AsyncDisposable {
  /** The turn of this process; undefined while it has none, or it is over. */
  readonly held: HeldTurn | undefined;
  /**
   * Waits until it is this process's turn, for a while at least; renews what runs out. Undefined
   * where `signal` aborts. Throws what the bucket throws.
   */
  take(signal: AbortSignal): Promise<HeldTurn | undefined>;
  /** As `take`, without waiting for another process. */
  tryTake(): Promise<HeldTurn | undefined>;
  /** From now on it is renewed by itself, until the disposal; several may want that. */
  keep(): Disposable;
}

export interface HeldTurn {
  /** Aborts when another process may have it. */
  readonly lost: AbortSignal;
  /**
   * Writes records as its holder, in one transaction, each with its own conditions; undefined, and
   * nothing is written, where the turn is lost. Throws what the bucket throws.
   */
  readonly commit: (
    changes: readonly Omit<RecordChange, 'ifRecord'>[],
  ) => Promise<readonly CommitResult[] | undefined>;
}
