import type { ForeignWrite } from '../bucket/foreign-writes.ts';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { ImportingContext } from '../database/prepare-import.ts';
import { nextTurn } from '../util/next-turn.ts';
import { BatchSize } from './batch-size.ts';
import type { QueuedDocument } from './import-batch.ts';
import { commitBatch, countBroken, prepareBatch, readBatches } from './import-batch.ts';
import type { PartitionLeases } from './partition-leases.ts';
import { partitionOf } from './partitions.ts';

/**
 * Takes what is queued of one collection and is this node's: its only state is a position. What is
 * in memory is a page of the queue and two batches: one is committed while the next is judged.
 */
export class QueueDrain {
  readonly #context: ImportingContext;
  readonly #partitions: PartitionLeases;
  readonly #size = new BatchSize();
  /** Everything of this node's partitions up to here has been looked at. */
  #doneTo = 0;

  constructor(context: ImportingContext, partitions: PartitionLeases) {
    this.#context = context;
    this.#partitions = partitions;
  }

  /** From the beginning: other partitions are this node's now. */
  restart(): void {
    this.#doneTo = 0;
  }

  /**
   * Looks at everything that is queued now, or until `signal` aborts. Whether something is left
   * that has to be looked at again. Throws `unavailable`, and goes on there the next time.
   */
  async drain(signal: AbortSignal): Promise<boolean> {
    const { bucket, id } = this.#context;
    let after = this.#doneTo;
    let leftFrom: number | undefined;
    while (!signal.aborted) {
      const page = await bucket.foreignWrites.list(id, { after, limit: BATCH_MAX });
      const last = page.at(-1);
      if (last === undefined) break;
      for (const { position } of await this.#take(page, signal))
        leftFrom = Math.min(leftFrom ?? position, position);
      if (signal.aborted) break;
      after = last.position;
      this.#doneTo = leftFrom === undefined ? after : leftFrom - 1;
      if (page.length < BATCH_MAX) break;
      await nextTurn();
    }
    return leftFrom !== undefined;
  }

  /** Those of a page that have to be looked at again. */
  async #take(
    page: readonly ForeignWrite[],
    signal: AbortSignal,
  ): Promise<readonly ForeignWrite[]> {
    const { clock, imports } = this.#context;
    const left: ForeignWrite[] = [];
    let committing: Promise<readonly ForeignWrite[]> = Promise.resolve([]);
    try {
      const own = this.#own(page);
      for await (const batch of readBatches(this.#context, own, () => this.#size.now)) {
        const startedAt = clock.now();
        const prepared = await prepareBatch(this.#context, batch, signal);
        if (prepared === undefined) return left;
        const elapsedMs = clock.now() - startedAt;
        imports.took(elapsedMs);
        left.push(...(await committing));
        committing = commitBatch(this.#context, prepared);
        // NOTE: it is awaited after the next batch was judged; till then its failure is nobody's.
        committing.catch(() => undefined);
        const broken = countBroken(prepared);
        const pauseMs = this.#size.learn({ documents: batch.length, broken, elapsedMs });
        if (pauseMs > 0) await this.#pause(pauseMs, signal);
      }
    } finally {
      left.push(...(await committing));
    }
    return left;
  }

  async #pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { clock, imports } = this.#context;
    imports.observer.log.warn('functions break slowly on what is imported: it pauses', { pauseMs });
    await clock.sleep(pauseMs, signal);
  }

  #own(page: readonly ForeignWrite[]): readonly QueuedDocument[] {
    const { count } = this.#partitions;
    return page.flatMap((entry) => {
      const lease = this.#partitions.leaseOf(partitionOf(entry.key, count));
      return lease === undefined ? [] : [{ entry, lease }];
    });
  }
}
