import type { Bucket } from '../bucket/bucket.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { HeldLease } from './held-lease.ts';

/** A node that was not heard of for so long counts as gone. */
const NODE_MS = 15_000;
/** Work whose process was not heard of for so long is another's to take. */
const LEASE_MS = 4000;
/** So often its leases are renewed, and in every third time the node is heard of. */
const RENEW_MS = 1500;
const NODES_EVERY = 3;
const NODES = 'node/';

interface MemberOptions {
  readonly bucket: Bucket;
  /** Another one for each process. */
  readonly nodeId: string;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * This process as one of those that share a bucket: it is heard of (a lease on its own name, kept
 * up), and holds leases on work, of which each is one process's at a time. How long a lease lasts
 * says the bucket's clock; a process that cannot renew one in time by its own counts it as lost.
 */
export class ClusterMember implements AsyncDisposable {
  readonly nodeId: string;
  readonly #options: MemberOptions;
  readonly #held = new Set<HeldLease>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #node: HeldLease | undefined;
  #inTrouble = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.#running = this.#run();
  }

  /** Takes work that nobody has; undefined where somebody does. Throws what the bucket throws. */
  async hold(name: string): Promise<HeldLease | undefined> {
    const held = await this.#take(name, LEASE_MS);
    if (held !== undefined) this.#held.add(held);
    return held;
  }

  /**
   * Gives back all of them at once: one wait where the store is locked, not one for each. Throws
   * what the bucket throws; then they end by themselves.
   */
  async giveBack(held: readonly HeldLease[]): Promise<void> {
    for (const each of held) {
      each.lose();
      this.#held.delete(each);
    }
    await this.#options.bucket.leases.end(held.map(({ lease }) => lease));
  }

  /** The ids of the nodes that are heard of, in their order. */
  async nodes(): Promise<readonly string[]> {
    const nodes = await this.#options.bucket.leases.list(NODES);
    return nodes.map(({ holder }) => holder);
  }

  /** Whether any work of these names is somebody's now. */
  async isHeld(prefix: string): Promise<boolean> {
    return (await this.#options.bucket.leases.list(prefix)).length > 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
    const all = [...this.#held, ...(this.#node === undefined ? [] : [this.#node])];
    for (const held of all) held.lose();
    try {
      await this.#options.bucket.leases.end(all.map(({ lease }) => lease));
    } catch {
      // NOTE: they end by themselves.
    }
  }

  async #take(name: string, forMs: number): Promise<HeldLease | undefined> {
    const { bucket, clock } = this.#options;
    const surelyUntilMs = clock.now() + forMs;
    const about = `process ${process.pid}`;
    const fence = await bucket.leases.take({ name, holder: this.nodeId, about, forMs });
    if (fence === undefined) return undefined;
    const lease = { name, fence };
    const held: HeldLease = new HeldLease(lease, surelyUntilMs, async () => {
      if (this.#held.delete(held)) await bucket.leases.end([lease]);
    });
    return held;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#closing;
    for (let round = 0; !signal.aborted; round++) {
      try {
        if (round % NODES_EVERY === 0) await this.#beat();
        await this.#renew([...this.#held], LEASE_MS);
        this.#inTrouble = false;
      } catch (cause) {
        if (signal.aborted) return;
        // NOTE: once for a trouble, not in every round.
        if (!this.#inTrouble) log.warn('this node cannot be heard of; trying on', { error: cause });
        this.#inTrouble = true;
      }
      for (const held of this.#held) held.check(clock.now());
      await clock.sleep(RENEW_MS, signal);
    }
  }

  async #beat(): Promise<void> {
    if (this.#node !== undefined) await this.#renew([this.#node], NODE_MS);
    if (this.#node?.lost.aborted !== false)
      this.#node = await this.#take(`${NODES}${this.nodeId}`, NODE_MS);
  }

  async #renew(held: readonly HeldLease[], forMs: number): Promise<void> {
    const { bucket, clock } = this.#options;
    if (held.length === 0) return;
    const surelyUntilMs = clock.now() + forMs;
    const renewed = await bucket.leases.renew(
      held.map(({ lease }) => lease),
      forMs,
    );
    for (const [at, each] of held.entries()) {
      if (renewed[at] === true) each.renewed(surelyUntilMs);
      else {
        each.lose();
        this.#held.delete(each);
      }
    }
  }
}
