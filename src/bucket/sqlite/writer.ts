import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import type { Cas, Digest, DocId, Sequence } from '../../document/types.ts';
import { unreachable } from '../../util/assert.ts';
import { GatewayError } from '../../util/errors.ts';
import type { BatchChange } from '../batch-change.ts';
import type { Change, CollectionId, CommitResult, StoredAttachment } from '../bucket.ts';
import type { LeaseChange } from '../leases.ts';
import { AttachmentWriter } from './attachment-writer.ts';
import { BatchRefused, BatchWriter } from './batch-writer.ts';
import { BucketFile, requireTables } from './bucket-file.ts';
import { ChannelIndexWriter } from './channel-index-writer.ts';
import { ChannelNames } from './channel-names.ts';
import { DocumentWriter } from './document-writer.ts';
import { ExpiryRemover } from './expiry-remover.ts';
import { mendForeignSchema } from './foreign-schema.ts';
import { ForeignWriter } from './foreign-writer.ts';
import { GrantWriter } from './grant-writer.ts';
import { LeaseWriter } from './lease-writer.ts';
import { Query } from './query.ts';
import { RecordWriter } from './record-writer.ts';
import { migrate, requireOurs } from './schema.ts';
import { isStoreWide, movedError } from './store-error.ts';
import type { Transaction } from './transaction.ts';

/** How a file is written. */
export interface WriterOptions {
  readonly path: string;
  /** `OFF` for buckets that are gone with the process. */
  readonly synchronous: 'FULL' | 'OFF';
  /** How long a write waits for another process's lock. */
  readonly busyTimeoutMs: number;
  /** Where it was open before: of this bucket, and no other takes its place. */
  readonly uuid?: string;
  /** The most pages (of 4 KB) that the file may have; 0 for no limit but the disk's. */
  readonly pagesMax: number;
}

/** One call of `Bucket.commit`, and what became of it. */
type CallOutcome = { readonly results: readonly CommitResult[] } | { readonly failure: unknown };

export interface ChunkOptions {
  readonly nowSecs: number;
  /** Whether the upload begins with this chunk. */
  readonly first: boolean;
}

/** SQLite's page cache of the writing connection. */
const CACHE_KB = 8192;
/** The WAL is copied into the file once it has so many pages (16 MB): a page that changed in many
 * commits is copied once … */
const CHECKPOINT_PAGES = 4000;
/** … and cut to this after it grew. */
const WAL_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The one writing connection of a bucket's file: synchronous, so it lives in a thread of its own
 * (`writer-worker.ts`). Each method is one durable transaction; what throws has changed nothing.
 */
export class Writer implements Disposable {
  /** What of the queue of foreign writes was missing when the file was opened. */
  readonly mended: readonly string[];
  readonly #db: DatabaseSync;
  readonly #names: ChannelNames;
  readonly #documents: DocumentWriter;
  readonly #records: RecordWriter;
  readonly #grants: GrantWriter;
  readonly #leases: LeaseWriter;
  readonly #foreign: ForeignWriter;
  readonly #batches: BatchWriter;
  readonly #attachments: AttachmentWriter;
  readonly #expiry: ExpiryRemover;
  readonly #begin: Query;
  readonly #commit: Query;
  readonly #counters: Query<[seq: number, recordCas: number, uuid: string]>;
  readonly #setCounters: Query;
  readonly #findCollection: Query<[id: CollectionId]>;
  readonly #addCollection: Query;
  readonly #synchronous: WriterOptions['synchronous'];
  readonly #file: BucketFile;
  #lockWaitMs: number;

  /** Opens the file, creates it where it is absent, and brings it to the schema of this program. */
  constructor(options: WriterOptions) {
    requireThere(options);
    this.#db = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs });
    this.#lockWaitMs = options.busyTimeoutMs;
    try {
      const db = this.#db;
      this.#synchronous = options.synchronous;
      requireOurs(db);
      requireWal(db);
      // Where fsync alone does not reach the disk (macOS), fullfsync does.
      db.exec(`PRAGMA synchronous = ${options.synchronous}; PRAGMA fullfsync = ON;
        PRAGMA cache_size = -${CACHE_KB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
        PRAGMA journal_size_limit = ${WAL_BYTES_MAX}; PRAGMA temp_store = MEMORY`);
      migrate(db);
      requireTables(db);
      this.mended = mendForeignSchema(db);
      if (options.pagesMax > 0) db.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
      this.#names = new ChannelNames(db, { writable: true });
      const channels = new ChannelIndexWriter(db, this.#names);
      this.#grants = new GrantWriter(db);
      this.#leases = new LeaseWriter(db);
      this.#batches = new BatchWriter(db, this.#names);
      this.#records = new RecordWriter(db, this.#grants, this.#leases);
      this.#attachments = new AttachmentWriter(db);
      this.#foreign = new ForeignWriter(db);
      this.#documents = new DocumentWriter(db, {
        channels,
        grants: this.#grants,
        records: this.#records,
        attachments: this.#attachments,
        foreign: this.#foreign,
      });
      this.#expiry = new ExpiryRemover(db, this.#attachments);
      this.#begin = new Query(db, 'BEGIN IMMEDIATE');
      this.#commit = new Query(db, 'COMMIT');
      this.#counters = new Query(db, 'SELECT seq, record_cas, uuid FROM bucket');
      this.#setCounters = new Query(db, 'UPDATE bucket SET seq = ?, record_cas = ?, writing = 0');
      this.#findCollection = new Query(db, 'SELECT id FROM collections WHERE name = ?');
      this.#addCollection = new Query(db, 'INSERT INTO collections (name) VALUES (?)');
      this.#file = new BucketFile(options.path);
      requireSame(options, this.uuid);
    } catch (cause) {
      this.#db.close();
      throw cause;
    }
  }

  get uuid(): string {
    return this.#counters.one()?.[2] ?? '';
  }

  /** How long it waits for locks of other processes from now on, ms. */
  waitForLocks(ms: number): void {
    if (ms === this.#lockWaitMs) return;
    this.#db.exec(`PRAGMA busy_timeout = ${ms}`);
    this.#lockWaitMs = ms;
  }

  /**
   * Several calls of `Bucket.commit` in one transaction; a batch has one of its own. Where one of
   * them breaks it, each is tried alone, so that it fails alone; where the store fails, all fail
   * with it.
   */
  commit(calls: readonly (readonly Change[])[], nowSecs: number): readonly CallOutcome[] {
    const outcomes: CallOutcome[] = [];
    while (outcomes.length < calls.length) {
      const last = outcomes.at(-1);
      const isDown = last !== undefined && 'failure' in last && isStoreWide(last.failure);
      if (isDown) outcomes.push(last);
      else outcomes.push(...this.#commitNext(calls.slice(outcomes.length), nowSecs));
    }
    return outcomes;
  }

  /** The first of the calls, if it is a batch, or those before the next batch. */
  #commitNext(calls: readonly (readonly Change[])[], nowSecs: number): readonly CallOutcome[] {
    const first = onlyBatch(calls[0] ?? []);
    if (first !== undefined) return [this.#commitBatch(first, nowSecs)];
    const batchAt = calls.findIndex((changes) => onlyBatch(changes) !== undefined);
    return this.#commitTogether(calls.slice(0, batchAt === -1 ? undefined : batchAt), nowSecs);
  }

  #commitBatch(batch: BatchChange, nowSecs: number): CallOutcome {
    try {
      const result = this.#transaction(nowSecs, (tx) => {
        const failed = this.#records.judge(tx, batch);
        if (failed !== undefined) throw new BatchRefused({ ok: false, failed });
        return this.#batches.applyAlone(tx, batch, (each) => this.#apply(tx, each));
      });
      return { results: [result] };
    } catch (failure) {
      return failure instanceof BatchRefused ? { results: [failure.result] } : { failure };
    }
  }

  #commitTogether(calls: readonly (readonly Change[])[], nowSecs: number): readonly CallOutcome[] {
    try {
      return this.#transaction(nowSecs, (tx) =>
        calls.map((changes) => ({ results: changes.map((change) => this.#apply(tx, change)) })),
      );
    } catch (failure) {
      if (calls.length === 1 || isStoreWide(failure)) return calls.map(() => ({ failure }));
      return calls.flatMap((changes) => this.#commitTogether([changes], nowSecs));
    }
  }

  openCollection(name: string): CollectionId {
    return this.#transaction(0, () => {
      const known = this.#findCollection.one(name);
      return known?.[0] ?? (this.#addCollection.run(name).lastId as CollectionId);
    });
  }

  /** Adds a chunk to an upload, which begins with its first. `upload` is the caller's number. */
  addChunk(upload: number, bytes: Uint8Array, options: ChunkOptions): void {
    const { nowSecs, first } = options;
    try {
      this.#unsynced(nowSecs, () => {
        if (first) this.#attachments.start(upload, nowSecs);
        this.#attachments.addChunk(upload, bytes, nowSecs);
      });
    } catch (cause) {
      this.#attachments.lose(upload);
      throw cause;
    }
  }

  /** Ends an upload with its last chunk, which may be its first. */
  finishUpload(upload: number, bytes: Uint8Array, options: ChunkOptions): StoredAttachment {
    const { nowSecs, first } = options;
    try {
      return this.#unsynced(nowSecs, () => {
        if (first) this.#attachments.start(upload, nowSecs);
        return this.#attachments.finish(upload, bytes, nowSecs);
      });
    } finally {
      this.#attachments.lose(upload);
    }
  }

  keepAttachments(digests: readonly Digest[], nowSecs: number): boolean {
    return this.#unsynced(nowSecs, () => this.#attachments.keep(digests, nowSecs));
  }

  discardUpload(upload: number): void {
    this.#unsynced(0, () => this.#attachments.discard(upload));
  }

  /** Not waited for either: who held a lease when the power failed is gone with it. */
  changeLease(change: LeaseChange): unknown {
    return this.#unsynced(0, (tx) => this.#leases.apply(tx, change));
  }

  /** Foreign writes may be looked at again after a loss of power: none of them is lost. */
  setAside(positions: readonly number[], reason: string): void {
    this.#unsynced(0, () => this.#foreign.setAside(positions, reason));
  }

  queueRejected(...asked: Parameters<ForeignWriter['queueRejected']>): DocId | undefined {
    return this.#transaction(0, () => this.#foreign.queueRejected(...asked));
  }

  mendForeignWrites(): readonly string[] {
    return this.#transaction(0, () => mendForeignSchema(this.#db));
  }

  recheckForeignWrites(): boolean {
    return this.#unsynced(0, () => this.#foreign.recheckSome());
  }

  removeExpired(nowSecs: number, graceSecs: number): boolean {
    return this.#transaction(nowSecs, () => this.#expiry.step(nowSecs, graceSecs));
  }

  [Symbol.dispose](): void {
    try {
      // Into the file that is open, also where its name leads to another one.
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      this.#db.close();
      this.#file.takeLogAway();
    }
  }

  #apply(tx: Transaction, change: Change): CommitResult {
    switch (change.kind) {
      case 'document':
        return this.#documents.apply(tx, change);
      case 'record':
        return this.#records.applyRecord(tx, change);
      case 'principal':
        return this.#records.applyPrincipal(tx, change);
      case 'purge':
        return this.#documents.purge(tx, change);
      case 'rejection':
        return this.#documents.reject(tx, change);
      case 'taken':
        return this.#documents.take(tx, change);
      case 'references':
      case 'documentHistory':
        return this.#documents.keep(tx, change);
      case 'attachment':
        return upkeep(this.#attachments.settle(change, tx.nowSecs));
      case 'grantHistory':
        this.#grants.compactHistory(change);
        return upkeep(true);
      case 'batch': {
        const failed = this.#records.judge(tx, change);
        if (failed !== undefined) return { ok: false, failed };
        return this.#batches.apply(tx, change, (each) => this.#apply(tx, each));
      }
      default:
        return unreachable(change);
    }
  }

  /**
   * Without waiting for the disk: attachments count only from the commit of a document that refers
   * to them, and its fsync takes along everything that was written to the WAL before.
   */
  #unsynced<T>(nowSecs: number, work: (tx: Transaction) => T): T {
    if (this.#synchronous === 'OFF') return this.#transaction(nowSecs, work);
    this.#db.exec('PRAGMA synchronous = NORMAL');
    try {
      return this.#transaction(nowSecs, work);
    } finally {
      this.#db.exec(`PRAGMA synchronous = ${this.#synchronous}`);
    }
  }

  #transaction<T>(nowSecs: number, work: (tx: Transaction) => T): T {
    this.#begin.write();
    try {
      const [seq, recordCas] = this.#counters.one() ?? [0, 0];
      const records: Transaction['records'] = new Map();
      const accessVersions: Transaction['accessVersions'] = new Map();
      const writing = false;
      const counters = { nowSecs, seq, recordCas, writing };
      const lastRecord = undefined;
      const tx: Transaction = { ...counters, records, lastRecord, accessVersions };
      const result = work(tx);
      if (tx.writing || tx.seq !== seq || tx.recordCas !== recordCas) {
        this.#setCounters.write(tx.seq, tx.recordCas);
      }
      // Nothing is acknowledged that goes into a file which nobody will find again.
      this.#file.requireInPlace();
      this.#commit.write();
      return result;
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#names.forget();
      throw cause;
    }
  }
}

function onlyBatch(changes: readonly Change[]): BatchChange | undefined {
  const [only] = changes;
  return changes.length === 1 && only?.kind === 'batch' ? only : undefined;
}

/** What takes no sequence and gives no CAS. */
function upkeep(applied: boolean): CommitResult {
  if (!applied) return { ok: false, failed: 'cas' };
  return { ok: true, cas: 0 as Cas, seq: 0 as Sequence };
}

function requireThere({ path, uuid }: WriterOptions): void {
  if (uuid !== undefined && !existsSync(path))
    throw movedError('the file of the bucket was removed');
}

function requireSame(options: WriterOptions, uuid: string): void {
  if (options.uuid !== undefined && options.uuid !== uuid)
    throw movedError('the file of the bucket was replaced by another');
}

/** A file system without shared memory (a network's) holds no bucket: SQLite says so softly. */
function requireWal(db: DatabaseSync): void {
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode === 'wal') return;
  throw new GatewayError('unavailable', 'the file system cannot hold a bucket (no WAL)');
}
