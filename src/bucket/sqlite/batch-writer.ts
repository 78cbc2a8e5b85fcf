import type { DatabaseSync } from 'node:sqlite';

import type { BatchChange } from '../batch-change.ts';
import type { Change, CommitResult } from '../bucket.ts';
import type { ChannelNames } from './channel-names.ts';
import { Query } from './query.ts';
import type { Transaction } from './transaction.ts';

/** Applies changes that belong together: all of them, or none. */
export class BatchWriter {
  readonly #savepoint: Query;
  readonly #release: Query;
  readonly #takeBack: Query;
  readonly #names: ChannelNames;

  constructor(db: DatabaseSync, names: ChannelNames) {
    this.#names = names;
    this.#savepoint = new Query(db, 'SAVEPOINT batch');
    this.#release = new Query(db, 'RELEASE batch');
    this.#takeBack = new Query(db, 'ROLLBACK TO batch');
  }

  /** `apply` applies one; a result that is not ok has changed nothing. */
  apply(
    tx: Transaction,
    { changes }: BatchChange,
    apply: (change: Change) => CommitResult,
  ): CommitResult {
    const { seq, recordCas, writing } = tx;
    let last: CommitResult = { ok: true, cas: 0 as never, seq: 0 as never };
    this.#savepoint.run();
    for (const [at, change] of changes.entries()) {
      last = apply(change);
      if (last.ok) continue;
      this.#takeBack.run();
      this.#release.run();
      tx.seq = seq;
      tx.recordCas = recordCas;
      tx.writing = writing;
      // What was remembered may be of what was taken back: it is read again.
      tx.records.clear();
      tx.accessVersions.clear();
      this.#names.forget();
      return { ...last, at };
    }
    this.#release.run();
    return last.ok && tx.seq > seq ? { ...last, seq: tx.seq as typeof last.seq } : last;
  }
}
