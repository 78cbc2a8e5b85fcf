import type { Bucket } from '../bucket/bucket.ts';
import type { Lease, StoredLease } from '../bucket/leases.ts';
import type { ClusterMember } from '../cluster/cluster-member.ts';
import type { HeldLease } from '../cluster/held-lease.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { sharePartitions } from './partitions.ts';

/** How late a node learns of another one that came or went. */
const LOOK_MS = 250;

interface PartitionLeasesOptions {
  readonly bucket: Bucket;
  readonly member: ClusterMember;
  readonly database: string;
  /** How many partitions there are. */
  readonly count: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who imports, as the store has it. */
export interface ImportNodes {
  /** The nodes that take part, in their order. */
  readonly nodes: readonly string[];
  /** By number; partitions that nobody has now are absent. */
  readonly holders: ReadonlyMap<number, string>;
}

/**
 * The partitions of a database's import that are this node's: those that are its share of all nodes
 * that take part, each held by a lease. A node that ends or is paused loses its own, and the others
 * share them.
 */
export class PartitionLeases {
  readonly count: number;
  readonly #options: PartitionLeasesOptions;
  readonly #held = new Map<number, HeldLease>();
  #node: HeldLease | undefined;
  #gained = new AbortController();
  #inTrouble = false;

  constructor(options: PartitionLeasesOptions) {
    this.#options = options;
    this.count = options.count;
  }

  /** How many it has. */
  get size(): number {
    return this.#held.size;
  }

  /** Aborts when this node gets a partition that it has not now. */
  get gained(): AbortSignal {
    return this.#gained.signal;
  }

  /** What a commit for that partition rests on; undefined where it is not this node's. */
  leaseOf(partition: number): Lease | undefined {
    const held = this.#held.get(partition);
    return held === undefined || held.lost.aborted ? undefined : held.lease;
  }

  /** Keeps its share until `signal` aborts; then gives it back. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
        this.#inTrouble = false;
      } catch (cause) {
        // NOTE: once for a trouble, not in every round.
        if (!this.#inTrouble) log.warn('partitions cannot be shared; trying on', { error: cause });
        this.#inTrouble = true;
      }
      await clock.sleep(LOOK_MS, signal);
    }
    await this.#giveBack();
  }

  async #look(): Promise<void> {
    const { member, log } = this.#options;
    for (const [partition, { lost }] of this.#held) if (lost.aborted) this.#held.delete(partition);
    if (this.#node?.lost.aborted !== false)
      this.#node = await member.hold(nodeName(this.#options, member.nodeId));
    const { nodes, holders } = await importNodes(this.#options);
    const share = new Set(sharePartitions(this.count, nodes).get(member.nodeId));
    const before = this.#held.size;
    for (const [partition, held] of this.#held) {
      if (share.has(partition)) continue;
      this.#held.delete(partition);
      await held[Symbol.asyncDispose]();
    }
    const free = [...share].filter((each) => !this.#held.has(each) && !holders.has(each));
    // NOTE: one after the other: each waits for a lock of the file as long as a write does.
    for (const partition of free) {
      if (this.#options.bucket.trouble !== undefined) break;
      await this.#take(partition);
    }
    if (this.#held.size !== before)
      log.info?.('partitions of the import', { held: this.#held.size, of: this.count });
  }

  async #take(partition: number): Promise<void> {
    const held = await this.#options.member.hold(partitionName(this.#options, partition));
    if (held === undefined) return;
    this.#held.set(partition, held);
    const gained = this.#gained;
    this.#gained = new AbortController();
    gained.abort();
  }

  async #giveBack(): Promise<void> {
    const all = [...this.#held.values(), ...(this.#node === undefined ? [] : [this.#node])];
    this.#held.clear();
    this.#node = undefined;
    const { bucket, member } = this.#options;
    // NOTE: where that fails, they end by themselves.
    const given = member.giveBack(all).catch(() => undefined);
    // Nor does a database that goes offline because its file is locked wait for the lock.
    if (bucket.trouble === undefined) await given;
  }
}

/** Which nodes import, and who has which partition. Throws what the bucket throws. */
export async function importNodes(of: ImportOf): Promise<ImportNodes> {
  const leases = await of.bucket.leases.list(prefixOf(of));
  const holders = new Map<number, string>();
  const nodes: string[] = [];
  for (const lease of leases) {
    const partition = partitionIn(lease);
    if (partition === undefined) nodes.push(lease.holder);
    else holders.set(partition, lease.holder);
  }
  return { nodes, holders };
}

type ImportOf = Pick<PartitionLeasesOptions, 'bucket' | 'database' | 'count'>;

// NOTE: nodes with another number of partitions do not share with these: while a configuration goes
// round, or for another group of nodes, both look at everything, and each document is taken in once
// all the same. No name of a database has a colon in it. Nodes come first: a list is cut at its
// end.
const prefixOf = ({ database, count }: ImportOf): string => `import:${database}:${count}:`;
const nodeName = (of: ImportOf, nodeId: string): string => `${prefixOf(of)}node:${nodeId}`;
const partitionName = (of: ImportOf, partition: number): string =>
  `${prefixOf(of)}part:${partition}`;

function partitionIn({ name }: StoredLease): number | undefined {
  const [, number] = name.split(':part:');
  return number === undefined ? undefined : Number(number);
}
