import { z } from 'zod';
import { collectionIds } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import type { Clock } from '../../util/clock.ts';
import { isGatewayError } from '../../util/errors.ts';
import { beginTask } from '../begin-task.ts';
import type { JoinedTask } from '../joined-tasks.ts';
import { JoinedTasks } from '../joined-tasks.ts';
import { openBucketOf } from '../open-bucket-of.ts';
import { takePart } from '../running-task.ts';
import { askToStop, settleStopping } from '../settle-stopping.ts';
import type { TaskPace } from '../task-pace.ts';
import type { TaskState } from '../task-state.ts';
import { TaskStore } from '../task-store.ts';
import type { TaskWork } from '../task-work.ts';
import { ATTACHMENTS_PART, AttachmentWork, isMark } from './attachment-work.ts';
import type { CompactionType, CompactionView } from './compaction-view.ts';
import { compactionView } from './compaction-view.ts';
import { NOTE_EVERY_MS, noteSequence } from './sequence-times.ts';
import { HISTORY_KEPT_MS, PRINCIPALS_PART, TombstoneWork } from './tombstone-work.ts';

export interface CompactionRequest {
  readonly type: CompactionType;
  /** A stopped run is forgotten. */
  readonly reset: boolean;
  /** Nothing is removed, and counted what would be. */
  readonly dryRun: boolean;
}

const TYPES = ['tombstone', 'attachment'] as const;
/** How long a request to stop waits for this process to have left it. */
const STOP_WAITS_MS = 5000;
const DAY_MS = 24 * 3600 * 1000;
/** Little is done with a document, and requests are served meanwhile. */
const PACE: TaskPace = { stepDocuments: 200, partsAtOnce: 1, restShare: 1 };

/** NOTE: older versions asked for nothing. */
const askedSchema = z.object({ dryRun: z.boolean() }).catch({ dryRun: false });

/**
 * Removal of what is old and of what nothing needs, on online databases: started by request or by
 * itself, stopped, joined, and told of.
 */
export class Compactions {
  readonly #clock: Clock;
  readonly #joined = { tombstone: new JoinedTasks(), attachment: new JoinedTasks() } as const;
  /** When this process last saw to it that the history of a bucket is noted, by its UUID. */
  readonly #notedMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Starts one, or goes on with a stopped one that was asked for the same. Throws `unavailable`
   * where one of this type is running.
   */
  async start(served: ServedDatabase, request: CompactionRequest): Promise<CompactionView> {
    const { type, reset, dryRun } = request;
    const { config, record } = served.current;
    const store = storeOf(served, type);
    if (type === 'tombstone') await this.#note(served, this.#clock.now());
    await beginTask(store, {
      databaseCreatedAt: record.createdAt,
      asked: { dryRun },
      collections: await collectionIds(store.bucket, config),
      otherParts: [type === 'tombstone' ? PRINCIPALS_PART : ATTACHMENTS_PART],
      goesOn: ({ asked }) => !reset && askedSchema.parse(asked).dryRun === dryRun,
      nowMs: this.#clock.now(),
    });
    this.#join(served, type);
    return this.status(served, type);
  }

  /** Throws `badRequest` where none of this type is running. */
  async stop(served: ServedDatabase, type: CompactionType): Promise<CompactionView> {
    await askToStop(storeOf(served, type), served.current.record.createdAt);
    const waited = new AbortController();
    const left = this.#joined[type].left(served.name)?.finally(() => waited.abort());
    if (left !== undefined) await this.#clock.sleep(STOP_WAITS_MS, waited.signal);
    await this.#settle(served, type);
    return this.status(served, type);
  }

  /** Where it stands on all nodes together. */
  async status(served: ServedDatabase, type: CompactionType): Promise<CompactionView> {
    const store = storeOf(served, type);
    const state = (await store.read(served.current.record.createdAt))?.state;
    if (state === undefined) return compactionView(type, undefined);
    const parts = state.status === 'completed' ? [] : await store.parts(state.run);
    return compactionView(type, {
      state,
      counts: (await store.totals(state)).counts,
      isDryRun: askedSchema.parse(state.asked).dryRun,
      isMarking: parts.some(({ part }) => isMark(part) && !part.done),
      trouble: this.#joined[type].trouble(served.name),
    });
  }

  /** Whether this process removes tombstones of the database at this moment. */
  isRunning(name: string): boolean {
    return this.#joined.tombstone.left(name) !== undefined;
  }

  /**
   * Joins those that another process has started, or this one before it was ended, and starts the
   * one that is due.
   */
  async look(served: ServedDatabase): Promise<void> {
    for (const type of TYPES) {
      this.#joined[type].leaveOld(served);
      const state = (await storeOf(served, type).read(served.current.record.createdAt))?.state;
      if (state?.status === 'stopping') await this.#settle(served, type);
      if (served.states.state !== 'Online') continue;
      if (state?.status === 'running') this.#join(served, type);
      else if (type === 'tombstone') await this.#startDue(served, state);
    }
  }

  /** Of all processes the first one starts it; the others find it running, or not due any more. */
  async #startDue(served: ServedDatabase, last: TaskState | undefined): Promise<void> {
    const { config, record } = served.current;
    const everyMs = config.compact_interval_days * DAY_MS;
    if (everyMs === 0) return;
    const nowMs = this.#clock.now();
    await this.#note(served, nowMs);
    const sinceMs = Math.max(
      Date.parse(last?.startTime ?? record.createdAt),
      last?.goingSince.ms ?? 0,
    );
    // NOTE: a time that cannot be read is none since which it could be due.
    if (Number.isNaN(sinceMs) || nowMs - sinceMs < everyMs) return;
    try {
      await this.start(served, { type: 'tombstone', reset: false, dryRun: false });
    } catch (cause) {
      if (!isGatewayError(cause, 'unavailable')) throw cause;
    }
  }

  /** What is older than so many days only tells who noted where the history stood. */
  async #note(served: ServedDatabase, nowMs: number): Promise<void> {
    const { bucket } = openBucketOf(served);
    const notedMs = this.#notedMs.get(bucket.uuid);
    if (notedMs !== undefined && Math.abs(nowMs - notedMs) < NOTE_EVERY_MS) return;
    await noteSequence(bucket, nowMs, HISTORY_KEPT_MS);
    this.#notedMs.set(bucket.uuid, nowMs);
  }

  async #settle(served: ServedDatabase, type: CompactionType): Promise<void> {
    const { member } = openBucketOf(served);
    await settleStopping(storeOf(served, type), member, served.current.record.createdAt);
  }

  #join(served: ServedDatabase, type: CompactionType): void {
    this.#joined[type].join(served, (joined) => this.#work(served, type, joined));
  }

  async #work(served: ServedDatabase, type: CompactionType, joined: JoinedTask): Promise<void> {
    const { database, signal, inTrouble } = joined;
    const { createdAt } = database.record;
    const store = storeOf(served, type);
    const task = await store.read(createdAt);
    if (task?.state.status !== 'running') return;
    const { bucket, cache, member } = openBucketOf(served);
    const { observer, metadataId, config } = database;
    const collections = await collectionIds(bucket, config);
    const { dryRun } = askedSchema.parse(task.state.asked);
    const parts = { bucket, collections, observer, clock: this.#clock, dryRun };
    const work: TaskWork =
      type === 'tombstone'
        ? new TombstoneWork({ ...parts, cache, metadataId })
        : new AttachmentWork(parts);
    await takePart({
      store,
      task,
      work,
      member,
      clock: this.#clock,
      log: observer.log.with({ key: 'CRUD' }),
      signal,
      pace: PACE,
      inTrouble,
    });
  }
}

function storeOf(served: ServedDatabase, type: CompactionType): TaskStore {
  const { bucket } = openBucketOf(served);
  return new TaskStore(bucket, { database: served.name, task: `compact_${type}` });
}
