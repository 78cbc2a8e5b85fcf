import type { Cas, Sequence } from '../document/types.ts';

export interface LastChanges {
  /**
   * Another one whenever any record of the bucket was written or removed, by any process: what was
   * read under the same one still holds, but for its expiry.
   */
  readonly records: Cas;
  /** As `lastAccessChange` of all principals of the database. */
  readonly access: Sequence;
}
