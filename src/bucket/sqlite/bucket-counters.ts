import type { DatabaseSync } from 'node:sqlite';

import type { Cas, Sequence } from '../../document/types.ts';
import { Query } from './query.ts';

/** The counters of a bucket: in a snapshot they are read once, by whoever asks first. */
export class BucketCounters {
  readonly #db: DatabaseSync;
  readonly #counters: Query<[seq: Sequence, recordCas: Cas]>;
  #seq = 0 as Sequence;
  #recordCas = 0 as Cas;
  #areRead = false;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#counters = new Query(db, 'SELECT seq, record_cas FROM bucket');
  }

  /** The snapshot is over. */
  endSnapshot(): void {
    this.#areRead = false;
  }

  /** The last sequence. */
  get seq(): Sequence {
    if (!this.#areRead) this.#read();
    return this.#seq;
  }

  /** The last CAS that a record got. */
  get recordCas(): Cas {
    if (!this.#areRead) this.#read();
    return this.#recordCas;
  }

  #read(): void {
    const row = this.#counters.one();
    this.#seq = row?.[0] ?? (0 as Sequence);
    this.#recordCas = row?.[1] ?? (0 as Cas);
    this.#areRead = this.#db.isTransaction;
  }
}
