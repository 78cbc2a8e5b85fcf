import { DatabaseSync } from 'node:sqlite';

import { systemClock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { BucketFile } from '../sqlite/bucket-file.ts';
import { isBusy, storeError } from '../sqlite/store-error.ts';

/** Between two tries to get a lock. */
const RETRY_MS = 10;

/**
 * An application's connection to a bucket's file. What it does is synchronous and short; it waits
 * for locks between tries, so that the application's event loop goes on.
 */
export class BucketConnection implements Disposable {
  readonly #db: DatabaseSync;
  readonly #file: BucketFile;
  readonly #busyTimeoutMs: number;
  #isClosed = false;

  /** Throws `unavailable`. */
  constructor(path: string, busyTimeoutMs: number) {
    this.#busyTimeoutMs = busyTimeoutMs;
    try {
      this.#db = new DatabaseSync(path, { timeout: 0 });
    } catch (cause) {
      throw storeError(cause);
    }
    this.#file = new BucketFile(path);
  }

  /** Runs a statement or a few that read, again where another process shuts them out. */
  async run<T>(work: (db: DatabaseSync) => T): Promise<T> {
    const giveUpAt = systemClock.now() + this.#busyTimeoutMs;
    for (;;) {
      if (this.#isClosed) throw new GatewayError('unavailable', 'the bucket is closed');
      try {
        return work(this.#db);
      } catch (cause) {
        if (!isBusy(cause) || systemClock.now() >= giveUpAt) throw storeError(cause);
      }
      await systemClock.sleep(RETRY_MS);
    }
  }

  /** The same in one durable transaction that writes; what throws has changed nothing. */
  async transaction<T>(work: (db: DatabaseSync) => T): Promise<T> {
    return this.run((db) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        const result = work(db);
        // Nothing is told to be written that goes into a file which nobody will find again.
        this.#file.requireInPlace();
        db.exec('COMMIT');
        return result;
      } catch (cause) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw cause;
      }
    });
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#db.close();
  }
}
