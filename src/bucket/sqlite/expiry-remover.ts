import type { DatabaseSync } from 'node:sqlite';

import type { AttachmentWriter } from './attachment-writer.ts';
import { Query } from './query.ts';

/** Rows of a kind that one step removes. */
const ROWS_REMOVED_MAX = 200;

/** Removes what is past its time, a bounded step at a time. */
export class ExpiryRemover {
  readonly #attachments: AttachmentWriter;
  readonly #bodies: Query;
  readonly #records: Query;

  constructor(db: DatabaseSync, attachments: AttachmentWriter) {
    this.#attachments = attachments;
    const expired = (table: string): Query =>
      new Query(
        db,
        `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table}
         WHERE expiry > 0 AND expiry <= ? ORDER BY expiry LIMIT ${ROWS_REMOVED_MAX})`,
      );
    this.#bodies = expired('revision_bodies');
    this.#records = expired('records');
  }

  /** Whether more may be left. */
  step(nowSecs: number, graceSecs: number): boolean {
    const bodies = this.#bodies.run(nowSecs).changes;
    const records = this.#records.run(nowSecs).changes;
    const references = this.#attachments.endReferences(nowSecs);
    const collected = this.#attachments.collect(nowSecs - graceSecs);
    return collected || references || bodies === ROWS_REMOVED_MAX || records === ROWS_REMOVED_MAX;
  }
}
