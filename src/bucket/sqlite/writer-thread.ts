import { Worker } from 'node:worker_threads';

import type { Digest, DocId } from '../../document/types.ts';
import type { Log } from '../../observability/log.ts';
import { must } from '../../util/assert.ts';
import { GatewayError } from '../../util/errors.ts';
import { sharedNowMs } from '../../util/shared-now.ts';
import type { Change, CollectionId, CommitResult, StoredAttachment } from '../bucket.ts';
import type { LeaseChange } from '../leases.ts';
import { packCalls } from './packed-changes.ts';
import type { PackedOutcomes } from './packed-outcomes.ts';
import { unpackOutcomes } from './packed-outcomes.ts';
import type {
  WireError,
  WriterAnswer,
  WriterEnvelope,
  WriterOpened,
  WriterRequest,
} from './writer-messages.ts';
import type { ChunkOptions, WriterOptions } from './writer.ts';

/** Of the thread's heap: a third of it is filled between two collections. */
const YOUNG_GENERATION_MB = 12;
/** Requests that may wait for the thread; uploads and commits each wait for their answers. */
const REQUESTS_WAITING_MAX = 10_000;

interface Waiting {
  readonly id: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * The writing thread as seen from the main one. A thread that dies fails what it was asked, as
 * `unavailable`, and is started again by the next request. It keeps the process alive only while
 * it has something to do.
 */
export class WriterThread implements AsyncDisposable {
  readonly #options: WriterOptions;
  readonly #log: Log;
  /** In the order in which they are answered. */
  readonly #waiting: Waiting[] = [];
  /** Once it was open. */
  #uuid: string | undefined;
  #worker: Worker | undefined;
  #opened: Promise<WriterOpened> | undefined;
  #lastId = 0;
  #closed = false;

  constructor(options: WriterOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Opens the file, creating it where it is absent; gives the bucket's UUID. */
  async open(): Promise<string> {
    this.#start();
    const { uuid } = await must(this.#opened, 'it was started');
    this.#uuid = uuid;
    return uuid;
  }

  /** What the thread has to do at this moment: whether commits of this process are on their way. */
  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  /** `askedMs`: since when the first of them waits, by `sharedNowMs`. */
  async commit(
    calls: readonly (readonly Change[])[],
    nowSecs: number,
    askedMs: number,
  ): Promise<readonly (readonly CommitResult[] | Error)[]> {
    const request = { kind: 'commit', calls: packCalls(calls), nowSecs } as const;
    const outcomes = (await this.#ask(request, askedMs)) as PackedOutcomes;
    return unpackOutcomes(outcomes).map((outcome) =>
      'failure' in outcome ? errorOf(outcome.failure) : outcome.results,
    );
  }

  async openCollection(name: string): Promise<CollectionId> {
    return (await this.#ask({ kind: 'openCollection', name })) as CollectionId;
  }

  async addChunk(upload: number, bytes: Uint8Array, options: ChunkOptions): Promise<void> {
    await this.#ask({ kind: 'addChunk', upload, bytes, ...options });
  }

  async finishUpload(
    upload: number,
    bytes: Uint8Array,
    options: ChunkOptions,
  ): Promise<StoredAttachment> {
    const request = { kind: 'finishUpload', upload, bytes, ...options } as const;
    return (await this.#ask(request)) as StoredAttachment;
  }

  async keepAttachments(digests: readonly Digest[], nowSecs: number): Promise<boolean> {
    return (await this.#ask({ kind: 'keepAttachments', digests, nowSecs })) as boolean;
  }

  async discardUpload(upload: number): Promise<void> {
    await this.#ask({ kind: 'discardUpload', upload });
  }

  async removeExpired(nowSecs: number, graceSecs: number): Promise<boolean> {
    return (await this.#ask({ kind: 'removeExpired', nowSecs, graceSecs })) as boolean;
  }

  async setAside(positions: readonly number[], reason: string): Promise<void> {
    await this.#ask({ kind: 'setAside', positions, reason });
  }

  async queueRejected(
    collection: CollectionId,
    which: { readonly after?: DocId | undefined; readonly unfit: boolean },
  ): Promise<DocId | undefined> {
    const last = await this.#ask({ kind: 'queueRejected', collection, which });
    return last as DocId | undefined;
  }

  async mendForeignWrites(): Promise<void> {
    this.#tellMended((await this.#ask({ kind: 'mendForeignWrites' })) as readonly string[]);
  }

  /** Whether there is more to do. */
  async recheckForeignWrites(): Promise<boolean> {
    return (await this.#ask({ kind: 'recheckForeignWrites' })) as boolean;
  }

  /** What `LeaseWriter.apply` gives. */
  async changeLease(change: LeaseChange): Promise<unknown> {
    return await this.#ask({ kind: 'changeLease', change });
  }

  /** Answers what was asked before, then closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const worker = this.#worker;
    const done = worker === undefined ? undefined : this.#ask({ kind: 'close' });
    this.#closed = true;
    try {
      await done;
    } catch (cause) {
      this.#log.warn('the bucket did not close cleanly; the next opening repairs it', { cause });
    }
    await worker?.terminate();
  }

  async #ask(request: WriterRequest, askedMs = sharedNowMs()): Promise<unknown> {
    if (this.#closed) throw new GatewayError('unavailable', 'the bucket is closed');
    if (this.#waiting.length >= REQUESTS_WAITING_MAX) {
      throw new GatewayError('unavailable', 'too many writes wait for the bucket');
    }
    const worker = this.#worker ?? this.#start();
    this.#lastId += 1;
    const id = this.#lastId;
    return await new Promise((resolve, reject) => {
      worker.postMessage([id, askedMs, request] satisfies WriterEnvelope);
      this.#expect(worker, { id, resolve, reject });
    });
  }

  #start(): Worker {
    // The file beside this one, whether TypeScript or built.
    const file = new URL('./writer-worker.ts', import.meta.url);
    if (import.meta.url.endsWith('.js')) file.pathname = file.pathname.replace(/ts$/, 'js');
    const worker = new Worker(file, {
      workerData: this.#uuid === undefined ? this.#options : { ...this.#options, uuid: this.#uuid },
      // What the process was started with (`-e`, a debugger) is not for this thread.
      execArgv: [],
      // What a commit makes is garbage after it: more room would only be more memory.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    worker.unref();
    this.#worker = worker;
    this.#opened = new Promise<unknown>((resolve, reject) => {
      this.#expect(worker, { id: 0, resolve, reject });
    }).then((opened) => opened as WriterOpened);
    this.#opened.then(
      ({ mended }) => this.#tellMended(mended),
      (cause: unknown) => {
        this.#log.warn('the file of a bucket cannot be opened for writing', { cause });
      },
    );
    worker.on('message', (answer: WriterAnswer) => this.#answered(worker, answer));
    worker.on('error', (cause) => this.#log.error('the writer of a bucket failed', { cause }));
    worker.on('exit', () => this.#ended(worker));
    return worker;
  }

  #tellMended(mended: readonly string[]): void {
    if (mended.length === 0) return;
    const what = 'what notices foreign writes was missing in the file, and was made again';
    this.#log.warn(`${what}; all documents are looked at again`, { missing: mended });
  }

  #expect(worker: Worker, waiting: Waiting): void {
    if (this.#waiting.length === 0) worker.ref();
    this.#waiting.push(waiting);
  }

  #answered(worker: Worker, [id, value, error]: WriterAnswer): void {
    // Each is answered in its turn; one that ended may have left an answer behind.
    if (this.#waiting[0]?.id !== id) return;
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) worker.unref();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(errorOf(error));
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new GatewayError('unavailable', 'the writer of the bucket ended; try again'));
    }
  }
}

function errorOf(wire: WireError): Error {
  if (wire.tag !== undefined) {
    return new GatewayError(wire.tag, wire.message, { details: wire.details ?? {} });
  }
  const error = new Error(wire.message);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}
