import type { Lease, LeaseChange, LeaseRequest, Leases, StoredLease } from '../leases.ts';
import type { Store } from './store.ts';

/** The leases of a bucket in an SQLite file. */
export class SqliteLeases implements Leases {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async take(request: LeaseRequest): Promise<number | undefined> {
    const fence = await this.#change({ kind: 'take', ...request });
    return fence as number | undefined;
  }

  async renew(leases: readonly Lease[], forMs: number): Promise<readonly boolean[]> {
    if (leases.length === 0) return [];
    const renewed = await this.#change({ kind: 'renew', leases, forMs });
    return renewed as readonly boolean[];
  }

  async end(leases: readonly Lease[]): Promise<void> {
    if (leases.length > 0) await this.#change({ kind: 'end', leases });
  }

  async list(prefix: string): Promise<readonly StoredLease[]> {
    return await this.#store.reader.read(({ leases }) => leases.live(prefix));
  }

  /** Nodes are heard of all the time: so a lock is noticed, and its end, where nobody writes. */
  async #change(change: LeaseChange): Promise<unknown> {
    const { health, writer } = this.#store;
    return await health.ofWrite(writer.changeLease(change));
  }
}
