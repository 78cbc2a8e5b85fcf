/**
 * Leases: a name that one holder has for a while, so that work which must be done once is done by
 * one process. The store's own clock says when a lease ends, so clocks of nodes need not agree.
 *
 * A lease has a fencing number, larger with every taking. A commit that states it (`Judgement`) is
 * applied only while that very lease holds: so a process that was paused past its lease writes
 * nothing any more, whatever it believes.
 */
export interface Leases {
  /**
   * Takes a lease that nobody has, or whose time is over. Gives its fencing number; undefined where
   * somebody has it, be it the same holder.
   */
  take(request: LeaseRequest): Promise<number | undefined>;

  /** Each holds for `forMs` from now on; false for one that is over or is another's by now. */
  renew(leases: readonly Lease[], forMs: number): Promise<readonly boolean[]>;

  /** Gives leases back before their time; those that are not held any more are left alone. */
  end(leases: readonly Lease[]): Promise<void>;

  /** Leases that hold now, whose names begin with `prefix`, by name. At most BATCH_MAX. */
  list(prefix: string): Promise<readonly StoredLease[]>;
}

/** A lease as its holder knows it: what a commit states. */
export interface Lease {
  readonly name: string;
  readonly fence: number;
}

export interface LeaseRequest {
  readonly name: string;
  /** Who takes it: a node's id. */
  readonly holder: string;
  /** What others may read of it. */
  readonly about: string;
  readonly forMs: number;
}

export interface StoredLease extends Lease {
  readonly holder: string;
  readonly about: string;
  /** How long it still holds, ms. */
  readonly leftMs: number;
}

/** What the writer does with leases; see `Leases`. */
export type LeaseChange =
  | ({ readonly kind: 'take' } & LeaseRequest)
  | { readonly kind: 'renew'; readonly leases: readonly Lease[]; readonly forMs: number }
  | { readonly kind: 'end'; readonly leases: readonly Lease[] };
