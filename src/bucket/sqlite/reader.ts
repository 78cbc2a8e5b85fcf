import { DatabaseSync } from 'node:sqlite';

import type { Sequence } from '../../document/types.ts';
import type { CollectionId } from '../bucket.ts';
import type { Awaitable } from '../../util/awaitable.ts';
import { GatewayError } from '../../util/errors.ts';
import type { Clock } from '../../util/clock.ts';
import { AccessReader } from './access-reader.ts';
import { AttachmentReader } from './attachment-reader.ts';
import { BucketCounters } from './bucket-counters.ts';
import { ChannelNames } from './channel-names.ts';
import { ChannelReader } from './channel-reader.ts';
import { DocumentReader } from './document-reader.ts';
import { ForeignReader } from './foreign-reader.ts';
import { LeaseReader } from './lease-reader.ts';
import { MutationReader } from './mutation-reader.ts';
import { Query } from './query.ts';
import { isBusy, storeError } from './store-error.ts';
import { UpkeepReader } from './upkeep-reader.ts';

/** SQLite's page cache of the reading connection. */
const CACHE_KB = 8192;

/** Reads are refused only while another process opens or closes the file: worth a short wait. */
const BUSY_RETRIES_MAX = 50;
const BUSY_RETRY_MS = 10;

const SETTLED = Promise.resolve();

/**
 * The reading connection of a bucket's file, on the main thread: statements are prepared, short,
 * and never wait for a lock.
 */
export class Reader implements Disposable {
  readonly counters: BucketCounters;
  readonly documents: DocumentReader;
  readonly channels: ChannelReader;
  readonly access: AccessReader;
  readonly mutations: MutationReader;
  readonly attachments: AttachmentReader;
  readonly leases: LeaseReader;
  readonly foreign: ForeignReader;
  readonly upkeep: UpkeepReader;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #begin: Query;
  readonly #commit: Query;
  #closed = false;
  readonly #collection: Query<[id: CollectionId]>;
  readonly #endOfTurn = (): void => this.#closeSnapshot();
  readonly #afterPromises = (): void => process.nextTick(this.#endOfTurn);

  constructor(path: string, clock: Clock) {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    this.#db = db;
    this.#clock = clock;
    try {
      db.exec(`PRAGMA cache_size = -${CACHE_KB}`);
      const names = new ChannelNames(db, { writable: false });
      this.documents = new DocumentReader(db);
      this.channels = new ChannelReader(db, names);
      this.counters = new BucketCounters(db);
      this.access = new AccessReader(db, this.counters);
      this.mutations = new MutationReader(db, names);
      this.attachments = new AttachmentReader(db);
      this.leases = new LeaseReader(db);
      this.foreign = new ForeignReader(db);
      this.upkeep = new UpkeepReader(db);
      this.#begin = new Query(db, 'BEGIN');
      this.#commit = new Query(db, 'COMMIT');
      this.#collection = new Query(db, 'SELECT id FROM collections WHERE name = ?');
    } catch (cause) {
      db.close();
      throw cause;
    }
  }

  /**
   * Runs a read in one snapshot, again where another process shuts it out for a moment. All reads
   * of one turn of the event loop's callbacks share the snapshot: nothing can be acknowledged
   * between them, and taking and giving back the file's locks costs more than a read. Only the wait
   * is a promise: most reads are on the way of a request, where each one costs.
   */
  read<T>(query: (reader: this) => T): Awaitable<T> {
    try {
      return this.#readNow(query);
    } catch (cause) {
      if (!isBusy(cause)) throw storeError(cause);
      return this.#readAgain(query);
    }
  }

  async #readAgain<T>(query: (reader: this) => T): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      await this.#clock.sleep(BUSY_RETRY_MS);
      try {
        return this.#readNow(query);
      } catch (cause) {
        if (!isBusy(cause) || tries === BUSY_RETRIES_MAX) throw storeError(cause);
      }
    }
  }

  #readNow<T>(query: (reader: this) => T): T {
    if (this.#closed) throw new GatewayError('unavailable', 'the bucket is closed');
    try {
      if (!this.#db.isTransaction) this.#openSnapshot();
      return query(this);
    } catch (cause) {
      this.#closeSnapshot();
      throw cause;
    }
  }

  lastSequence(): Sequence {
    return this.counters.seq;
  }

  findCollection(name: string): CollectionId | undefined {
    return this.#collection.one(name)?.[0];
  }

  #openSnapshot(): void {
    this.#begin.write();
    // Runs when the promises that are settled now have been followed, before the next event: a tick
    // that is asked for at once, outside of a promise, would come before them.
    void SETTLED.then(this.#afterPromises);
  }

  #closeSnapshot(): void {
    this.counters.endSnapshot();
    if (this.#closed || !this.#db.isTransaction) return;
    try {
      // NOTE: a third of what a ROLLBACK costs, and a reader has nothing to take back.
      this.#commit.write();
    } catch {
      // What is wrong with the file is told by the next read.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#db.close();
  }
}
