import { GatewayError } from '../util/errors.ts';
import { must } from '../util/assert.ts';
import { sharedNowMs } from '../util/shared-now.ts';
import { BATCH_MAX, type Change, type CommitResult } from './bucket.ts';

/** Bounds of the groups, and of what waits for one. */
interface GroupLimits {
  /** A group takes no further call once it has so many changes … */
  readonly groupChangesMax: number;
  /** … or about so many bytes of text. */
  readonly groupBytesMax: number;
  /** With so many changes waiting, a commit is refused as `unavailable`; */
  readonly waitingChangesMax: number;
  /** the same for bytes. */
  readonly waitingBytesMax: number;
}

export const GROUP_LIMITS: GroupLimits = {
  groupChangesMax: 500,
  groupBytesMax: 8 * 1024 * 1024,
  waitingChangesMax: 20_000,
  waitingBytesMax: 256 * 1024 * 1024,
};

/**
 * Writes the calls in one transaction: for each its results, or why it failed. Rejects for all.
 * `askedMs`: since when the first of them waits, by `sharedNowMs`.
 */
export type WriteGroup = (
  calls: readonly (readonly Change[])[],
  askedMs: number,
) => Promise<readonly (readonly CommitResult[] | Error)[]>;

interface Call {
  readonly changes: readonly Change[];
  readonly bytes: number;
  readonly askedMs: number;
  readonly resolve: (results: readonly CommitResult[]) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Gathers concurrent commits into one transaction: what a commit costs is mostly the disk, whatever
 * its size. While one group is being written, the next one forms; calls keep their order.
 */
export class GroupCommit {
  readonly #write: WriteGroup;
  readonly #limits: GroupLimits;
  readonly #queue: Call[] = [];
  #waitingChanges = 0;
  #waitingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(write: WriteGroup, limits: GroupLimits = GROUP_LIMITS) {
    this.#write = write;
    this.#limits = limits;
  }

  /** As `Bucket.commit`. Of promises there is one alone: all writes come this way. */
  commit(changes: readonly Change[]): Promise<readonly CommitResult[]> {
    if (changes.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const bytes = this.#admit(changes);
      this.#queue.push({ changes, bytes, askedMs: sharedNowMs(), resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything that was asked before is written or failed. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Gives about how many bytes they are; throws where they may not wait. */
  #admit(changes: readonly Change[]): number {
    const { length } = changes;
    if (length > BATCH_MAX) throw new Error(`bug: ${length} changes in one commit`);
    let bytes = 0;
    for (const change of changes) bytes += bytesOf(change);
    const { waitingChangesMax, waitingBytesMax } = this.#limits;
    // A single call larger than the limit is let in when nothing else waits.
    if (this.#queue.length > 0) {
      const tooMany = this.#waitingChanges + length > waitingChangesMax;
      if (tooMany || this.#waitingBytes + bytes > waitingBytesMax) {
        throw new GatewayError('unavailable', 'too many writes wait for the bucket');
      }
    }
    this.#waitingChanges += length;
    this.#waitingBytes += bytes;
    return bytes;
  }

  async #run(): Promise<void> {
    // Until the end of the next turn of the event loop: what other requests bring meanwhile comes
    // along, which makes groups a third larger under load.
    await new Promise<void>((resolve) => {
      setImmediate(() => setImmediate(resolve));
    });
    while (this.#queue.length > 0) await this.#writeNext(this.#takeGroup());
    this.#running = undefined;
  }

  #takeGroup(): readonly Call[] {
    const { groupChangesMax, groupBytesMax } = this.#limits;
    let changes = 0;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && changes < groupChangesMax && bytes < groupBytesMax) {
      const call = must(this.#queue[count], 'the queue is that long');
      changes += call.changes.length;
      bytes += call.bytes;
      count += 1;
    }
    this.#waitingChanges -= changes;
    this.#waitingBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #writeNext(group: readonly Call[]): Promise<void> {
    try {
      const { askedMs } = must(group[0], 'a group has a call');
      const calls = group.map(({ changes }) => changes);
      const outcomes = await this.#write(calls, askedMs);
      group.forEach(({ resolve, reject }, at) => {
        const outcome = must(outcomes[at], 'each call of a group has its outcome');
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      });
    } catch (cause) {
      for (const { reject } of group) reject(cause);
    }
  }
}

/** About how much text a change carries. */
function bytesOf(change: Change): number {
  switch (change.kind) {
    case 'document': {
      const kept = change.keepBodies?.reduce((sum, { body }) => sum + body.length, 0) ?? 0;
      return (change.body?.length ?? 0) + change.metadata.length + kept;
    }
    case 'purge':
    case 'taken':
    case 'references':
    case 'attachment':
    case 'grantHistory':
      return 0;
    case 'documentHistory':
      return change.metadata.length;
    case 'rejection':
      return change.reason.length;
    case 'batch':
      return change.changes.reduce((sum, each) => sum + bytesOf(each), 0);
    default:
      return change.value?.length ?? 0;
  }
}
