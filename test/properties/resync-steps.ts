import type { DatabaseRegistry } from '../../src/database/registry.ts';
import { contextsForTask } from '../../src/database/task-opening.ts';
import type { TestRegistries } from '../../src/database/test-registries.ts';
import { openTestRegistries } from '../../src/database/test-registries.ts';
import { silentLog } from '../../src/observability/log.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startSandbox } from '../../src/sandbox/start-sandbox.ts';
import { beginTask } from '../../src/tasks/begin-task.ts';
import { openBucketOf } from '../../src/tasks/open-bucket-of.ts';
import { takePart } from '../../src/tasks/running-task.ts';
import { ResyncWork } from '../../src/tasks/resync/resync-work.ts';
import type { StoredTask } from '../../src/tasks/task-store.ts';
import { TaskStore } from '../../src/tasks/task-store.ts';
import type { TaskWork } from '../../src/tasks/task-work.ts';
import { systemClock } from '../../src/util/clock.ts';
import { GatewayError } from '../../src/util/errors.ts';

/** Where clients read and write while the resync is between two of its steps. */
export interface Between {
  /** So many documents are done, in the order of their keys. */
  steps(done: number): Promise<void>;
  /** Documents are read and judged, and nothing is written yet. */
  commit?(): Promise<void>;
}

const COLLECTION = '_default._default';

/**
 * A process beside a gateway, on the same files, that does a resync step by step. The gateway joins
 * none of it: the task has another name.
 */
export class SteppedResync implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;
  readonly #registry: DatabaseRegistry;
  readonly #sandbox: Sandbox;
  readonly #name: string;

  private constructor(
    owned: AsyncDisposableStack,
    parts: { registry: DatabaseRegistry; sandbox: Sandbox; name: string },
  ) {
    this.#owned = owned;
    this.#registry = parts.registry;
    this.#sandbox = parts.sandbox;
    this.#name = parts.name;
  }

  /** `name`: of a database that is there. */
  static async open(dataDir: string, name: string): Promise<SteppedResync> {
    await using opening = new AsyncDisposableStack();
    const server = `sqlite:${dataDir}`;
    const opened: TestRegistries = opening.use(await openTestRegistries({ server }));
    const registry = await opened.registry();
    const sandbox = opening.use(await startSandbox({ log: silentLog }));
    return new SteppedResync(opening.move(), { registry, sandbox, name });
  }

  /** A run of the function that is configured. */
  async begin(): Promise<StoredTask> {
    const served = this.#registry.served(this.#name);
    await served.refresh();
    const store = this.#store();
    return beginTask(store, {
      databaseCreatedAt: served.current.record.createdAt,
      asked: null,
      collections: new Map([[COLLECTION, await store.bucket.openCollection(COLLECTION)]]),
      goesOn: () => false,
      nowMs: Date.now(),
    });
  }

  /** With the database online, to its end. */
  async online(task: StoredTask, limit: number, between: Between): Promise<void> {
    const served = this.#registry.served(this.#name);
    const openBucket = openBucketOf(served);
    await using opening = new AsyncDisposableStack();
    const contexts = await contextsForTask(
      { sandbox: this.#sandbox, clock: systemClock, database: served.current, openBucket },
      new Map([[COLLECTION, { kind: 'ruling' }]]),
      opening,
    );
    const work = new ResyncWork(contexts, { always: false });
    await this.#take(task, limit, { work: stepped(work, between) });
  }

  /** With the database offline: one step, and then this process leaves it. */
  async oneStepOffline(task: StoredTask, limit: number): Promise<void> {
    const served = this.#registry.served(this.#name);
    await served.refresh();
    await served.resync(async ({ contexts }) => {
      const work = new ResyncWork(contexts, { always: false });
      const stop = new AbortController();
      let steps = 0;
      const steppedOnce: TaskWork = {
        read: async (part, count) => {
          if (steps++ === 0) return work.read(part, count);
          stop.abort();
          throw new GatewayError('unavailable', 'it is left here');
        },
      };
      await this.#take(task, limit, { work: steppedOnce, signal: stop.signal });
    });
  }

  /** How many documents are done, and whether it has ended. */
  async standing(): Promise<{ readonly done: number; readonly status: string }> {
    const served = this.#registry.served(this.#name);
    const store = this.#store();
    const task = await store.read(served.current.record.createdAt);
    if (task === undefined) return { done: 0, status: 'never' };
    const { counts } = await store.totals(task.state);
    return { done: counts.processed, status: task.state.status };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  #store(): TaskStore {
    const { bucket } = openBucketOf(this.#registry.served(this.#name));
    return new TaskStore(bucket, { database: this.#name, task: 'steps' });
  }

  async #take(
    task: StoredTask,
    stepDocuments: number,
    { work, signal }: { readonly work: TaskWork; readonly signal?: AbortSignal },
  ): Promise<void> {
    const { member } = openBucketOf(this.#registry.served(this.#name));
    await takePart({
      store: this.#store(),
      task,
      work,
      member,
      clock: systemClock,
      log: silentLog,
      signal: signal ?? new AbortController().signal,
      pace: { stepDocuments, partsAtOnce: 1, restShare: 0 },
      inTrouble: () => undefined,
    });
  }
}

function stepped(work: TaskWork, between: Between): TaskWork {
  return {
    read: async (part, limit) => {
      await between.steps(part.counts.processed);
      const step = await work.read(part, limit);
      await between.commit?.();
      return step;
    },
  };
}
