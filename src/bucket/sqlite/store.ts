import type { Sequence } from '../../document/types.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';
import type { BucketSupport, Change, CollectionId, CommitResult } from '../bucket.ts';
import { GatewayError } from '../../util/errors.ts';
import { GroupCommit, type WriteGroup } from '../group-commit.ts';
import { BucketFile } from './bucket-file.ts';
import { ChunkBuffers } from './chunk-buffers.ts';
import { ForeignGuard } from './foreign-guard.ts';
import { HistoryWatch } from './history-watch.ts';
import { OwnMutations } from './own-mutations.ts';
import { Reader } from './reader.ts';
import { StoreHealth } from './store-health.ts';
import type { WriterOptions } from './writer.ts';
import { WriterThread } from './writer-thread.ts';

/** Attachments that may be written at the same time, each with a chunk in memory. */
const UPLOADS_MAX = 256;

/** What an open file of a bucket needs. */
interface StoreOptions {
  readonly file: WriterOptions;
  readonly supports: BucketSupport;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * An open file of a bucket: the writing thread, the reading connection, the gathering of commits,
 * and the watch of the history. Shared by all who opened the bucket.
 */
export class Store implements AsyncDisposable {
  readonly supports: BucketSupport;
  readonly uuid: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly reader: Reader;
  readonly writer: WriterThread;
  readonly watch: HistoryWatch;
  readonly health: StoreHealth;
  readonly ownMutations = new OwnMutations();
  readonly #foreignGuard: ForeignGuard;
  readonly chunkBuffers = new ChunkBuffers();
  readonly #commits: GroupCommit;
  readonly #collections = new Map<string, CollectionId>();
  #uploads = 0;
  #lastUpload = 0;
  #closed: Promise<void> | undefined;

  private constructor(options: StoreOptions, writer: WriterThread, uuid: string) {
    this.supports = options.supports;
    this.clock = options.clock;
    this.log = options.log;
    this.uuid = uuid;
    this.writer = writer;
    this.reader = new Reader(options.file.path, options.clock);
    this.#commits = new GroupCommit(this.#writeGroup.bind(this));
    const { path, busyTimeoutMs } = options.file;
    const inspected = { file: new BucketFile(path), uuid, busyTimeoutMs };
    this.health = new StoreHealth(inspected, options);
    this.watch = new HistoryWatch(
      {
        ends: () => ({
          history: this.reader.lastSequence(),
          foreignWrites: this.reader.foreign.newest(),
        }),
        isReadable: () => this.#check(),
        failed: (cause) => this.health.historyFailed(cause),
        committing: () => writer.busy,
        walPath: options.supports.manyProcesses ? `${path}-wal` : undefined,
      },
      options,
    );
    const { reader, watch, clock, log } = this;
    this.#foreignGuard = new ForeignGuard({
      reader,
      writer,
      clock,
      log,
      queued: () => watch.look(),
    });
    this.#foreignGuard.check();
  }

  static async open(options: StoreOptions): Promise<Store> {
    const writer = new WriterThread(options.file, options.log);
    try {
      return new Store(options, writer, await writer.open());
    } catch (cause) {
      await writer[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** Unix seconds. */
  nowSecs(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  /** A number for an upload that no other of this store has; `endUpload` ends it. */
  beginUpload(): number {
    if (this.#uploads >= UPLOADS_MAX) {
      throw new GatewayError('unavailable', 'too many attachments are being written');
    }
    this.#uploads += 1;
    this.#lastUpload += 1;
    return this.#lastUpload;
  }

  endUpload(): void {
    this.#uploads -= 1;
  }

  /** As `Bucket.commit`. */
  commit(changes: readonly Change[]): Promise<readonly CommitResult[]> {
    return this.#commits.commit(changes);
  }

  async openCollection(name: string): Promise<CollectionId> {
    const known =
      this.#collections.get(name) ?? (await this.reader.read((r) => r.findCollection(name)));
    const id = known ?? (await this.writer.openCollection(name));
    this.#collections.set(name, id);
    return id;
  }

  async #writeGroup(...[calls, askedMs]: Parameters<WriteGroup>): ReturnType<WriteGroup> {
    const outcomes = await this.health.ofWrite(this.writer.commit(calls, this.nowSecs(), askedMs));
    let last = 0 as Sequence;
    for (const outcome of outcomes) {
      if (outcome instanceof Error) this.health.writeFailed(outcome);
      else for (const result of outcome) if (result.ok && result.seq > last) last = result.seq;
    }
    this.ownMutations.add(calls, outcomes);
    this.watch.committed(last);
    return outcomes;
  }

  /** Every second, while somebody follows the history: whether the file can be read. */
  #check(): boolean {
    if (!this.health.check()) return false;
    this.#foreignGuard.check();
    return true;
  }

  /** Ends the waits, lets commits finish, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    this.watch[Symbol.dispose]();
    this.#foreignGuard[Symbol.dispose]();
    await this.#commits.drain();
    // The writer last: the last connection of a file takes its WAL along.
    this.reader[Symbol.dispose]();
    await this.writer[Symbol.asyncDispose]();
  }
}
