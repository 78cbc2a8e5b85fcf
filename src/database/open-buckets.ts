import type { Bucket } from '../bucket/bucket.ts';
import type { BucketServer } from '../bucket/bucket-server.ts';
import { ChangeCache } from '../changes/change-cache.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { runRemoval } from './remove-expired.ts';

/** A bucket with what all databases on it share. */
export interface OpenBucket {
  readonly name: string;
  readonly bucket: Bucket;
  /** Follows the bucket's mutation feed. */
  readonly cache: ChangeCache;
}

interface OwnedBucket extends OpenBucket {
  close(): Promise<void>;
}

/** The buckets that databases of this node use: opened with the first, closed with the last. */
export class OpenBuckets implements AsyncDisposable {
  readonly #server: BucketServer;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #open = new Map<string, { users: number; readonly opening: Promise<OwnedBucket> }>();

  constructor(options: {
    readonly server: BucketServer;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#server = options.server;
    this.#log = options.log;
    this.#clock = options.clock;
  }

  /** Each `acquire` is followed by one `release`. Throws as `BucketServer.open` does. */
  async acquire(name: string, options: { readonly create: boolean }): Promise<OpenBucket> {
    const open = this.#open.get(name);
    if (open !== undefined) {
      open.users++;
      return open.opening;
    }
    const opening = this.#openBucket(name, options);
    this.#open.set(name, { users: 1, opening });
    try {
      return await opening;
    } catch (cause) {
      this.#open.delete(name);
      throw cause;
    }
  }

  async release(name: string): Promise<void> {
    const open = this.#open.get(name);
    if (open === undefined || --open.users > 0) return;
    this.#open.delete(name);
    await (await open.opening).close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const { opening } of all) await (await opening).close();
  }

  async #openBucket(name: string, options: { readonly create: boolean }): Promise<OwnedBucket> {
    await using opening = new AsyncDisposableStack();
    const log = this.#log.with({ bucket: name });
    const clock = this.#clock;
    const bucket = opening.use(await this.#server.open(name, options));
    const cache = opening.use(await ChangeCache.start({ bucket, log, clock }));
    const stop = new AbortController();
    const removal = runRemoval(bucket, { log: log.with({ key: 'Bucket' }), clock }, stop.signal);
    opening.defer(async () => {
      stop.abort();
      await removal;
    });
    const parts = opening.move();
    return { name, bucket, cache, close: () => parts.disposeAsync() };
  }
}
