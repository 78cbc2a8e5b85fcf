import type { z } from 'zod';
import type { ServingDatabase } from '../database/companion.ts';
import type { ImportingContext } from '../database/prepare-import.ts';
import { isImporting } from '../database/import-document.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import type { ImportLag, importStatus } from './import-status.ts';
import { importLag, importsAsWritten, lagSecs, readImportStatus } from './import-status.ts';
import { PartitionLeases } from './partition-leases.ts';
import { QueueDrain } from './queue-drain.ts';
import { rejectedDocuments } from './rejected-documents.ts';
import { requeueRejected } from './requeue-rejected.ts';

/** What could not be done is tried again after this, doubled each time up to the second. */
const PAUSE_MS_FIRST = 50;
const PAUSE_MS_MOST = 5000;
/** How old the figures of the lag may be. */
const MEASURE_MS = 1000;

const NO_LAG: ImportLag = { documents: 0, oldestMs: undefined };

/** The import of one database while it serves with one configuration. */
export class DatabaseImport implements AsyncDisposable {
  readonly #serving: ServingDatabase;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #partitions: PartitionLeases;
  readonly #collections: readonly ImportingContext[];
  readonly #drains: readonly QueueDrain[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #lag = NO_LAG;
  #inTrouble = false;

  constructor(serving: ServingDatabase, clock: Clock) {
    this.#serving = serving;
    this.#clock = clock;
    const { bucket, member, name: database, observer, config, collections } = serving;
    this.#log = observer.log.with({ key: 'Import' });
    const count = config.import_partitions;
    this.#partitions = new PartitionLeases({
      bucket,
      member,
      database,
      count,
      clock,
      log: this.#log,
    });
    this.#collections = [...collections.values()].filter(isImporting);
    this.#drains = this.#collections.map((context) => new QueueDrain(context, this.#partitions));
  }

  /** Begins, where the configuration says that this node takes part. */
  start(): void {
    const { observer, closing } = this.#serving;
    const { database, metrics } = observer;
    metrics.readFrom('import_partitions', database, () => this.#partitions.size);
    metrics.readFrom('import_lag', database, () => this.#lag.documents);
    metrics.readFrom('import_lag_secs', database, () => lagSecs(this.#lag, this.#clock));
    if (!importsAsWritten(this.#serving)) return;
    const { signal } = this.#stop;
    closing.addEventListener('abort', () => this.#stop.abort(), { once: true });
    this.#running = Promise.all([this.#run(signal), this.#measure(signal)]);
  }

  /** Where it stands, on all nodes. Throws what the bucket throws. */
  async status(): Promise<z.infer<typeof importStatus>> {
    return readImportStatus(this.#serving, this.#clock);
  }

  /** See `rejectedDocuments`. */
  async rejected(
    asked: Parameters<typeof rejectedDocuments>[1],
  ): ReturnType<typeof rejectedDocuments> {
    return rejectedDocuments(this.#serving, asked);
  }

  /** In short, for the state of the database: by the last look. */
  get summary(): {
    readonly partitions: number;
    readonly backlog: number;
    readonly lag_secs: number;
  } {
    return {
      partitions: this.#partitions.size,
      backlog: this.#lag.documents,
      lag_secs: lagSecs(this.#lag, this.#clock),
    };
  }

  /** Ends; what is being committed is waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const leases = new AbortController();
    const sharing = this.#partitions.run(leases.signal);
    await this.#untilDone(signal, async () => {
      for (const context of this.#collections) await requeueRejected(context, signal);
      return false;
    });
    while (!signal.aborted) await this.#round(signal);
    // Only then: what is being committed rests on them.
    leases.abort();
    await sharing;
  }

  /** Takes what is queued, and waits for more, or for other partitions. */
  async #round(signal: AbortSignal): Promise<void> {
    const { foreignWrites } = this.#serving.bucket;
    const { gained } = this.#partitions;
    let newest = 0;
    await this.#untilDone(signal, async () => {
      newest = await foreignWrites.newest();
      let isLeft = false;
      for (const drain of this.#drains) if (await drain.drain(signal)) isLeft = true;
      return isLeft;
    });
    await this.#untilDone(signal, async () => {
      if (!gained.aborted) await foreignWrites.above(newest, AbortSignal.any([signal, gained]));
      return false;
    });
    if (gained.aborted) for (const drain of this.#drains) drain.restart();
  }

  /** Again and again, with growing pauses, while `work` says that something is left, or fails. */
  async #untilDone(signal: AbortSignal, work: () => Promise<boolean>): Promise<void> {
    for (let pauseMs = PAUSE_MS_FIRST; !signal.aborted;) {
      try {
        if (!(await work())) {
          this.#inTrouble = false;
          return;
        }
      } catch (cause) {
        // NOTE: once for a trouble, not in every round.
        if (!this.#inTrouble)
          this.#log.warn('the import cannot get on; trying on', { error: cause });
        this.#inTrouble = true;
      }
      await this.#clock.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MOST);
    }
  }

  /** Keeps the figures of the lag; where nothing was written since none waited, none does. */
  async #measure(signal: AbortSignal): Promise<void> {
    const { foreignWrites } = this.#serving.bucket;
    let clearAt = -1;
    while (!signal.aborted) {
      try {
        const newest = await foreignWrites.newest();
        if (newest !== clearAt) this.#lag = await importLag(this.#serving);
        if (this.#lag.documents === 0) clearAt = newest;
      } catch {
        // NOTE: the figures stay as they were; the import itself tells of the trouble.
      }
      await this.#clock.sleep(MEASURE_MS, signal);
    }
  }
}
