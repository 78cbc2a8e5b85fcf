import { randomUUID } from 'node:crypto';
import type { Bucket } from '../bucket/bucket.ts';
import type { BucketServer } from '../bucket/bucket-server.ts';
import { ChangeCache } from '../changes/change-cache.ts';
import { ClusterMember } from '../cluster/cluster-member.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { runRemoval } from './remove-expired.ts';

/** A bucket with what all databases on it share. */
export interface OpenBucket {
  readonly name: string;
  readonly bucket: Bucket;
  /** Follows the bucket's mutation feed. */
  readonly cache: ChangeCache;
  /** This process among those that share the bucket. */
  readonly member: ClusterMember;
}

interface OwnedBucket extends OpenBucket {
  close(): Promise<void>;
}

interface Shared {
  users: number;
  readonly opening: Promise<OwnedBucket>;
  /** Once it is open. */
  opened: OwnedBucket | undefined;
}

/** The buckets that databases of this node use: opened with the first, closed with the last. */
export class OpenBuckets implements AsyncDisposable {
  readonly #server: BucketServer;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #nodeId = randomUUID();
  /** By name, as it is found now. */
  readonly #shared = new Map<string, Shared>();
  /** All that are not closed. */
  readonly #open = new Map<OpenBucket, Shared>();

  constructor(options: {
    readonly server: BucketServer;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#server = options.server;
    this.#log = options.log;
    this.#clock = options.clock;
  }

  /**
   * Each `acquire` is followed by one `release` of what it gave. One that has moved is not shared
   * any more: whoever comes now gets what is in its place. Throws as `BucketServer.open` does.
   */
  async acquire(name: string, options: { readonly create: boolean }): Promise<OpenBucket> {
    const known = this.#shared.get(name);
    if (known !== undefined && known.opened?.bucket.trouble?.kind !== 'moved') {
      known.users++;
      return known.opening;
    }
    const opening = this.#openBucket(name, options);
    const shared: Shared = { users: 1, opening, opened: undefined };
    this.#shared.set(name, shared);
    try {
      shared.opened = await opening;
      this.#open.set(shared.opened, shared);
      return shared.opened;
    } catch (cause) {
      if (this.#shared.get(name) === shared) this.#shared.delete(name);
      throw cause;
    }
  }

  async release(openBucket: OpenBucket): Promise<void> {
    const shared = this.#open.get(openBucket);
    if (shared === undefined || --shared.users > 0) return;
    this.#open.delete(openBucket);
    if (this.#shared.get(openBucket.name) === shared) this.#shared.delete(openBucket.name);
    await shared.opened?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    this.#shared.clear();
    for (const { opened } of all) await opened?.close();
  }

  async #openBucket(name: string, options: { readonly create: boolean }): Promise<OwnedBucket> {
    await using opening = new AsyncDisposableStack();
    const log = this.#log.with({ bucket: name });
    const clock = this.#clock;
    const bucket = opening.use(await this.#server.open(name, options));
    const cache = opening.use(await ChangeCache.start({ bucket, log, clock }));
    const nodeId = this.#nodeId;
    const clusterLog = log.with({ key: 'SGCluster' });
    const member = opening.use(new ClusterMember({ bucket, nodeId, log: clusterLog, clock }));
    const stop = new AbortController();
    const removal = runRemoval(bucket, { log: log.with({ key: 'Bucket' }), clock }, stop.signal);
    opening.defer(async () => {
      stop.abort();
      await removal;
    });
    const parts = opening.move();
    return { name, bucket, cache, member, close: () => parts.disposeAsync() };
  }
}
