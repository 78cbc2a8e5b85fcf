import type { CollectionContext } from '../../database/collection-context.ts';
import { collectionIds } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import type { TaskFunction } from '../../database/task-opening.ts';
import { contextsForTask } from '../../database/task-opening.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import { beginTask } from '../begin-task.ts';
import type { JoinedTask } from '../joined-tasks.ts';
import { JoinedTasks } from '../joined-tasks.ts';
import { openBucketOf } from '../open-bucket-of.ts';
import { takePart } from '../running-task.ts';
import { askToStop, settleStopping } from '../settle-stopping.ts';
import { GENTLE_LOOK, QUICK } from '../task-pace.ts';
import type { StoredTask } from '../task-store.ts';
import { TaskStore } from '../task-store.ts';
import type { Gathering } from './gather-report.ts';
import { gatherReport } from './gather-report.ts';
import type { PlanRequest } from './plan-request.ts';
import { planAsked, planAskedSchema } from './plan-request.ts';
import type { PlanView } from './plan-view.ts';
import { NO_PLAN, planView } from './plan-view.ts';
import { PlanWork } from './plan-work.ts';
import { removeFindings } from './step-findings.ts';
import { readReport, storeReport } from './stored-report.ts';

const TASK = 'resync_plan';
/** How long a request to stop waits for this process to have left the plan. */
const STOP_WAITS_MS = 5000;

/**
 * Plans of resyncs: what a function would change, found out without changing it. Started, stopped,
 * joined, and told of, on databases that are online or offline.
 */
export class Plans {
  readonly #clock: Clock;
  readonly #sandbox: Sandbox;
  readonly #joined = new JoinedTasks();

  constructor({ clock, sandbox }: { readonly clock: Clock; readonly sandbox: Sandbox }) {
    this.#clock = clock;
    this.#sandbox = sandbox;
  }

  /**
   * Begins a plan, or goes on with a stopped one of the same functions. Throws `badRequest` for
   * collections that the database has not and, with line and column, for what is no function;
   * `unavailable` while one is running, or the database is neither online nor offline.
   */
  async start(served: ServedDatabase, request: PlanRequest): Promise<PlanView> {
    if (!isSettled(served))
      throw new GatewayError('unavailable', `the database is ${served.states.state}; try again`);
    await served.refresh();
    const { config, record } = served.current;
    const asked = await planAsked(config, request, this.#sandbox);
    const store = storeOf(served);
    const ids = await collectionIds(store.bucket, config);
    const task = await beginTask(store, {
      databaseCreatedAt: record.createdAt,
      asked,
      collections: new Map(
        asked.collections.map((name) => [name, must(ids.get(name), 'it is of the database')]),
      ),
      goesOn: (before) => !request.reset && JSON.stringify(before.asked) === JSON.stringify(asked),
      nowMs: this.#clock.now(),
    });
    const { metadataId } = served.current;
    await removeFindings(store, metadataId, task);
    this.#join(served);
    return this.status(served);
  }

  /** Throws `badRequest` where none is running. */
  async stop(served: ServedDatabase): Promise<PlanView> {
    await askToStop(storeOf(served), served.current.record.createdAt);
    const waited = new AbortController();
    const left = this.#joined.left(served.name)?.finally(() => waited.abort());
    if (left !== undefined) await this.#clock.sleep(STOP_WAITS_MS, waited.signal);
    await this.#settle(served);
    return this.status(served);
  }

  /** Where it stands on all nodes together, and what it found once it is completed. */
  async status(served: ServedDatabase): Promise<PlanView> {
    const store = storeOf(served);
    const task = await store.read(served.current.record.createdAt);
    if (task === undefined) return NO_PLAN;
    const { state } = task;
    const report =
      state.status === 'completed'
        ? await readReport(store.bucket, served.name, state.run)
        : undefined;
    const trouble = this.#joined.trouble(served.name);
    const more = { trouble, report, nowMs: this.#clock.now() };
    return planView(state, await store.totals(state), more);
  }

  /** Joins one that another process has started, or this one before it was ended. */
  async look(served: ServedDatabase): Promise<void> {
    this.#joined.leaveOld(served);
    const status = (await storeOf(served).read(served.current.record.createdAt))?.state.status;
    if (status === 'stopping') await this.#settle(served);
    if (status === 'running' && isSettled(served)) this.#join(served);
  }

  async #settle(served: ServedDatabase): Promise<void> {
    const { member } = openBucketOf(served);
    await settleStopping(storeOf(served), member, served.current.record.createdAt);
  }

  #join(served: ServedDatabase): void {
    this.#joined.join(served, (joined) => this.#work(served, joined));
  }

  async #work(served: ServedDatabase, joined: JoinedTask): Promise<void> {
    const { database, signal, inTrouble } = joined;
    const openBucket = openBucketOf(served);
    const store = storeOf(served);
    const { metadataId } = database;
    const { createdAt } = database.record;
    const task = await store.read(createdAt);
    if (task?.state.status !== 'running') return;
    const { functions } = planAskedSchema.parse(task.state.asked);
    const trials = Object.entries(functions).map(([name, source]): [string, TaskFunction] => [
      name,
      { kind: 'trial', source },
    ]);
    await using opening = new AsyncDisposableStack();
    const opened = { sandbox: this.#sandbox, clock: this.#clock, database, openBucket };
    let failed: GatewayError | undefined;
    let contexts: ReadonlyMap<string, CollectionContext> = new Map();
    try {
      contexts = await contextsForTask(opened, new Map(trials), opening);
    } catch (cause) {
      if (!isGatewayError(cause, 'badRequest')) throw cause;
      failed = cause;
    }
    const collections = new Set(Array.from(contexts.values(), ({ id }) => id));
    await takePart({
      store,
      task,
      work: new PlanWork(contexts),
      member: openBucket.member,
      clock: this.#clock,
      log: database.observer.log.with({ key: 'CRUD' }),
      signal,
      pace: served.states.state === 'Online' ? GENTLE_LOOK : QUICK,
      inTrouble,
      begin: () => {
        if (failed !== undefined) throw failed;
      },
      finish: (now) => this.#finish(now, { store, metadataId, openBucket, collections, signal }),
    });
    await this.#clean(store, database);
  }

  /** Makes the report, in one of all processes. */
  async #finish(
    task: StoredTask,
    parts: {
      readonly store: TaskStore;
      readonly metadataId: string;
      readonly openBucket: ReturnType<typeof openBucketOf>;
      readonly collections: Gathering['collections'];
      readonly signal: AbortSignal;
    },
  ): Promise<'done' | 'elsewhere'> {
    const { store, metadataId, openBucket, collections } = parts;
    const { state } = task;
    const prefix = store.prefix(state.run);
    await using held = await openBucket.member.hold(store.lease(`${prefix}report`));
    if (held === undefined) return 'elsewhere';
    const { counts } = await store.totals(state);
    const { goingSince } = state;
    const here = Math.max(counts.processed - goingSince.processed, 1);
    const tookMs = ((this.#clock.now() - goingSince.ms) * counts.processed) / here;
    const report = await gatherReport({
      bucket: store.bucket,
      database: metadataId,
      prefix,
      collections,
      counts,
      tookMs,
      signal: AbortSignal.any([parts.signal, held.lost]),
    });
    if (report === undefined) return 'elsewhere';
    return (await storeReport(store, task, { report, held })) ? 'done' : 'elsewhere';
  }

  /** What a completed plan found is in its report. */
  async #clean(store: TaskStore, { record, metadataId }: JoinedTask['database']): Promise<void> {
    const task = await store.read(record.createdAt);
    if (task?.state.status === 'completed') await removeFindings(store, metadataId, task);
  }
}

function isSettled({ states: { state } }: ServedDatabase): boolean {
  return state === 'Online' || state === 'Offline';
}

function storeOf(served: ServedDatabase): TaskStore {
  return new TaskStore(openBucketOf(served).bucket, { database: served.name, task: TASK });
}
