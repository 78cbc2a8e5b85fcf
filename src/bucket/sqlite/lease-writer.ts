import type { DatabaseSync } from 'node:sqlite';

import { unreachable } from '../../util/assert.ts';
import type { Lease, LeaseChange } from '../leases.ts';
import { Query } from './query.ts';
import { nextRecordCas, type Transaction } from './transaction.ts';

/**
 * The store's clock, ms since 1970: of the moment inside the transaction, not of the request. All
 * processes on a file are on one machine, so it is the same clock for all.
 */
export const NOW_MS = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/** Takes, renews and ends leases, and tells whether one holds. Fencing numbers are record CASes. */
export class LeaseWriter {
  readonly #take: Query;
  readonly #renew: Query;
  readonly #end: Query;
  readonly #holds: Query<[one: number]>;

  constructor(db: DatabaseSync) {
    this.#take = new Query(
      db,
      `INSERT INTO leases (name, holder, fence, about, until_ms)
       VALUES (?1, ?2, ?3, ?4, ${NOW_MS} + ?5)
       ON CONFLICT (name) DO UPDATE SET holder = ?2, fence = ?3, about = ?4,
         until_ms = excluded.until_ms
       WHERE leases.until_ms <= ${NOW_MS}`,
    );
    const mine = `name = ? AND fence = ? AND until_ms > ${NOW_MS}`;
    this.#renew = new Query(db, `UPDATE leases SET until_ms = ${NOW_MS} + ? WHERE ${mine}`);
    this.#end = new Query(db, 'DELETE FROM leases WHERE name = ? AND fence = ?');
    this.#holds = new Query(db, `SELECT 1 FROM leases WHERE ${mine}`);
  }

  /** The answer that `Leases` promises. */
  apply(tx: Transaction, change: LeaseChange): number | undefined | readonly boolean[] {
    switch (change.kind) {
      case 'take': {
        const { name, holder, about, forMs } = change;
        const fence = nextRecordCas(tx);
        if (this.#take.run(name, holder, fence, about, forMs).changes === 1) return fence;
        tx.recordCas = fence - 1;
        return undefined;
      }
      case 'renew':
        return change.leases.map(
          ({ name, fence }) => this.#renew.run(change.forMs, name, fence).changes === 1,
        );
      case 'end':
        for (const { name, fence } of change.leases) this.#end.run(name, fence);
        return undefined;
      default:
        return unreachable(change);
    }
  }

  /** Whether it holds at this moment. */
  holds({ name, fence }: Lease): boolean {
    return this.#holds.one(name, fence) !== undefined;
  }
}
