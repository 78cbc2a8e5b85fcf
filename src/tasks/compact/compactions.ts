import type { Database } from '../../database/database.ts';
import type { OpenBucket } from '../../database/open-buckets.ts';
import { collectionIds } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { beginTask } from '../begin-task.ts';
import { takePart } from '../running-task.ts';
import { askToStop, settleStopping } from '../settle-stopping.ts';
import type { TaskStatus } from '../task-state.ts';
import { TaskStore } from '../task-store.ts';
import { TombstoneWork } from './tombstone-work.ts';

/** Where a compaction stands, in the reference's names. */
export interface CompactionView {
  readonly status: TaskStatus;
  readonly start_time: string;
  readonly last_error: string;
  readonly docs_purged: number;
}

/** As the reference tells of what never ran. */
const NEVER_RAN: CompactionView = {
  status: 'completed',
  start_time: '0001-01-01T00:00:00Z',
  last_error: '',
  docs_purged: 0,
};

const TASK = 'compact_tombstone';
/** How long a request to stop waits for this process to have left it. */
const STOP_WAITS_MS = 5000;

interface Local {
  /** Never rejects. */
  readonly left: Promise<void>;
  trouble: string | undefined;
}

/** Removal of old tombstones from online databases: started, stopped, joined, and told of. */
export class Compactions {
  readonly #clock: Clock;
  readonly #local = new Map<string, Local>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `reset`: a stopped run is forgotten. Throws `unavailable` where one is running. */
  async start(
    served: ServedDatabase,
    { reset }: { readonly reset: boolean },
  ): Promise<CompactionView> {
    const { openBucket, store } = partsOf(served);
    const { config, record } = served.current;
    await beginTask(store, {
      databaseCreatedAt: record.createdAt,
      asked: null,
      collections: await collectionIds(openBucket.bucket, config),
      goesOn: () => !reset,
      nowMs: this.#clock.now(),
    });
    await this.#join(served);
    return this.status(served);
  }

  /** Throws `badRequest` where none is running. */
  async stop(served: ServedDatabase): Promise<CompactionView> {
    const { openBucket, store } = partsOf(served);
    const { createdAt } = served.current.record;
    await askToStop(store, createdAt);
    const waited = new AbortController();
    const left = this.#local.get(served.name)?.left.finally(() => waited.abort());
    if (left !== undefined) await this.#clock.sleep(STOP_WAITS_MS, waited.signal);
    await settleStopping(store, openBucket.member, createdAt);
    return this.status(served);
  }

  /** Where it stands on all nodes together. */
  async status(served: ServedDatabase): Promise<CompactionView> {
    const { store } = partsOf(served);
    const task = await store.read(served.current.record.createdAt);
    if (task === undefined) return NEVER_RAN;
    const { state } = task;
    const { changed } = (await store.totals(state)).counts;
    const trouble = state.status === 'running' && this.#local.get(served.name)?.trouble;
    return {
      status: state.status,
      start_time: state.startTime,
      last_error: trouble || state.lastError,
      docs_purged: changed,
    };
  }

  /** Joins one that another process has started, or this one before it was ended. */
  async look(served: ServedDatabase): Promise<void> {
    const { openBucket, store } = partsOf(served);
    const { createdAt } = served.current.record;
    const status = (await store.read(createdAt))?.state.status;
    if (status === 'stopping') await settleStopping(store, openBucket.member, createdAt);
    if (status === 'running' && served.states.state === 'Online') await this.#join(served);
  }

  async #join(served: ServedDatabase): Promise<void> {
    if (this.#local.has(served.name)) return;
    const { openBucket, store } = partsOf(served);
    const database = served.current;
    const work = await this.#work(database, openBucket);
    if (this.#local.has(served.name) || database.closing.aborted) return;
    const stop = new AbortController();
    database.closing.addEventListener('abort', () => stop.abort());
    const local: Local = {
      left: takePart({
        store,
        work,
        member: openBucket.member,
        databaseCreatedAt: database.record.createdAt,
        clock: this.#clock,
        log: database.observer.log.with({ key: 'CRUD' }),
        // NOTE: another configuration is another opening, on which it is joined again.
        signal: stop.signal,
        inTrouble: (reason) => {
          local.trouble = reason;
        },
      }).finally(() => this.#local.delete(served.name)),
      trouble: undefined,
    };
    this.#local.set(served.name, local);
  }

  async #work(database: Database, { bucket, cache }: OpenBucket): Promise<TombstoneWork> {
    const { config, observer } = database;
    const collections = await collectionIds(bucket, config);
    return new TombstoneWork({ bucket, cache, collections, observer, clock: this.#clock });
  }
}

function partsOf(served: ServedDatabase): {
  readonly openBucket: OpenBucket;
  readonly store: TaskStore;
} {
  const { openBucket, name } = served;
  if (openBucket === undefined)
    throw new GatewayError('unavailable', 'the bucket of the database is away; try again');
  return { openBucket, store: new TaskStore(openBucket.bucket, { database: name, task: TASK }) };
}
