import type { DocId } from '../../document/types.ts';
import { BATCH_MAX, type CollectionId } from '../bucket.ts';
import type {
  ForeignBacklog,
  ForeignRecheck,
  ForeignWrite,
  ForeignWrites,
  RejectedWrite,
} from '../foreign-writes.ts';
import type { Store } from './store.ts';

const UNNAMEABLE = 'the key is not valid UTF-8: no document can have it';

/** The foreign writes of a bucket in an SQLite file. */
export class SqliteForeignWrites implements ForeignWrites {
  readonly #store: Store;

  readonly #closing: AbortSignal;

  /** `closing` ends the waits. */
  constructor(store: Store, closing: AbortSignal) {
    this.#store = store;
    this.#closing = closing;
  }

  async list(
    collection: CollectionId,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<readonly ForeignWrite[]> {
    if (limit > BATCH_MAX) throw new Error(`bug: ${limit} in one call, at most ${BATCH_MAX}`);
    const { reader, writer } = this.#store;
    for (;;) {
      const { writes, unnameable } = await reader.read(({ foreign }) =>
        foreign.queued(collection, after, limit),
      );
      if (unnameable.length === 0) return writes;
      await writer.setAside(unnameable, UNNAMEABLE);
    }
  }

  async newest(): Promise<number> {
    const { reader, watch } = this.#store;
    const newest = await reader.read(({ foreign }) => foreign.newest());
    // Where somebody dropped the queue, nobody is woken again and again before it is mended.
    return Math.max(newest, watch.newestForeign);
  }

  async above(position: number, signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, this.#closing]);
    await this.#store.watch.foreignAbove(position, ended);
  }

  async backlog(collection: CollectionId, countMax: number): Promise<ForeignBacklog> {
    return await this.#store.reader.read(({ foreign }) => foreign.backlog(collection, countMax));
  }

  async listRejected(
    collection: CollectionId,
    { after, limit }: { readonly after?: DocId; readonly limit: number },
  ): Promise<readonly RejectedWrite[]> {
    if (limit > BATCH_MAX) throw new Error(`bug: ${limit} in one call, at most ${BATCH_MAX}`);
    return await this.#store.reader.read(({ foreign }) =>
      foreign.rejected(collection, after, limit),
    );
  }

  async countRejected(collection: CollectionId, countMax: number): Promise<number> {
    return await this.#store.reader.read(({ foreign }) =>
      foreign.countRejected(collection, countMax),
    );
  }

  async queueRejected(
    ...asked: Parameters<ForeignWrites['queueRejected']>
  ): Promise<DocId | undefined> {
    const last = await this.#store.writer.queueRejected(...asked);
    this.#store.watch.look();
    return last;
  }

  async recheck(): Promise<ForeignRecheck | undefined> {
    return await this.#store.reader.read(({ foreign }) => foreign.recheck());
  }
}
