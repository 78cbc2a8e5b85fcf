import type { DatabaseSync } from 'node:sqlite';

import { BATCH_MAX } from '../bucket.ts';
import type { StoredLease } from '../leases.ts';
import { NOW_MS } from './lease-writer.ts';
import { Query } from './query.ts';

type LeaseRow = readonly [
  name: string,
  fence: number,
  holder: string,
  about: string,
  leftMs: number,
];

/** Reads leases. */
export class LeaseReader {
  readonly #live: Query<LeaseRow>;

  constructor(db: DatabaseSync) {
    this.#live = new Query(
      db,
      `SELECT name, fence, holder, about, until_ms - ${NOW_MS} FROM leases
       WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1 AND until_ms > ${NOW_MS}
       ORDER BY name LIMIT ${BATCH_MAX}`,
    );
  }

  /** Those that hold, whose names begin with `prefix`. */
  live(prefix: string): readonly StoredLease[] {
    return this.#live
      .all(prefix)
      .map(([name, fence, holder, about, leftMs]) => ({ name, fence, holder, about, leftMs }));
  }
}
