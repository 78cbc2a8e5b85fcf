import type { ResyncOpening } from '../../database/resync-opening.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { contextsForTask } from '../../database/task-opening.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { collectionsAsked } from '../asked-functions.ts';
import type { JoinedTask } from '../joined-tasks.ts';
import { JoinedTasks } from '../joined-tasks.ts';
import { openBucketOf } from '../open-bucket-of.ts';
import { askToStop, settleStopping } from '../settle-stopping.ts';
import type { StoredTask } from '../task-store.ts';
import { TaskStore } from '../task-store.ts';
import { beginResync, setAskedFunctions } from './begin-resync.ts';
import type { ResyncRequest } from './resync-request.ts';
import { resyncAskedSchema } from './resync-request.ts';
import type { ResyncDetails } from './resync-details.ts';
import { resyncDetails } from './resync-details.ts';
import type { ResyncView } from './resync-view.ts';
import { NEVER_RAN, resyncView } from './resync-view.ts';
import { takePartInResync } from './take-part-in-resync.ts';
import { undoRequest } from './undo.ts';

const TASK = 'resync';
/** After a resync could not be joined, it is tried again so late. */
const JOIN_AGAIN_MS = 5000;
/** How long a request to stop waits for this process to have left the resync. */
const STOP_WAITS_MS = 5000;

/** What this process does in the resync of a database that serves nobody meanwhile. */
interface Local {
  /** Resolves when it has left it, and the database is Offline again; never rejects. */
  readonly left: Promise<void>;
  trouble: string | undefined;
}

/** Resyncs of the databases of this node: started, stopped, joined, undone, and told of. */
export class Resyncs {
  readonly #clock: Clock;
  readonly #sandbox: Sandbox;
  readonly #local = new Map<string, Local>();
  readonly #notBeforeMs = new Map<string, number>();
  /** Those beside requests. */
  readonly #online = new JoinedTasks();

  constructor({ clock, sandbox }: { readonly clock: Clock; readonly sandbox: Sandbox }) {
    this.#clock = clock;
    this.#sandbox = sandbox;
  }

  /**
   * Starts a resync, or goes on with a stopped one that is of the same functions and collections;
   * functions that the request brings along are configured first. Throws `badRequest` for
   * collections that the database has not and for what is no function, `unavailable` where the
   * database is not offline (or not online, for one that runs online), or a resync is running.
   */
  async start(served: ServedDatabase, request: ResyncRequest): Promise<ResyncView> {
    if (request.online) {
      served.states.requireOnline();
      await served.refresh();
    } else served.states.reactionTo('resync');
    collectionsAsked(served.current.config, request);
    await this.#requireNoneRunning(served);
    await setAskedFunctions(served, request);
    const beginning = { request, nowMs: this.#clock.now() };
    if (request.online) {
      await beginResync(storeOf(served), served, beginning);
      this.#joinOnline(served);
    } else await this.#run(served, (store) => beginResync(store, served, beginning));
    return this.#view(served);
  }

  /**
   * Runs the functions from before the last resync over its collections. Throws as `undoRequest`
   * and `start`.
   */
  async undo(
    served: ServedDatabase,
    options: { readonly online: boolean | undefined },
  ): Promise<ResyncView> {
    await this.#requireNoneRunning(served);
    return this.start(served, await undoRequest(storeOf(served), served, options));
  }

  /** Throws `badRequest` where none is running. */
  async stop(served: ServedDatabase): Promise<ResyncView> {
    await askToStop(storeOf(served), served.current.record.createdAt);
    const waited = new AbortController();
    const left = this.#left(served.name)?.finally(() => waited.abort());
    if (left !== undefined) await this.#clock.sleep(STOP_WAITS_MS, waited.signal);
    await this.#settle(served);
    return this.#view(served);
  }

  /** Where it stands on all nodes together. */
  async status(served: ServedDatabase): Promise<ResyncView> {
    const view = await this.#view(served);
    if (view.status === 'running' || view.status === 'stopping') return view;
    // Whoever is told that it has ended may bring the database online at once.
    await this.#left(served.name);
    return view;
  }

  /** More than the reference tells. */
  async details(served: ServedDatabase): Promise<ResyncDetails> {
    const store = storeOf(served);
    const task = await store.read(served.current.record.createdAt);
    const nowMs = this.#clock.now();
    const run = task && { state: task.state, totals: await store.totals(task.state), nowMs };
    return resyncDetails(served, openBucketOf(served), run);
  }

  /** Throws `unavailable` while one is running that needs the database offline, on any node. */
  async requireNone(served: ServedDatabase): Promise<void> {
    if (served.states.state !== 'Offline') return;
    const task = await storeOf(served).read(served.current.record.createdAt);
    if (task?.state.status !== 'running' || isOnline(task)) return;
    throw new GatewayError('unavailable', 'a resync of the database is running; stop it first');
  }

  /** Joins a resync that another process has started, or this one before it was ended. */
  async look(served: ServedDatabase): Promise<void> {
    const { name, states } = served;
    if (this.#local.has(name)) return;
    this.#online.leaveOld(served);
    const task = await storeOf(served).read(served.current.record.createdAt);
    if (task?.state.status === 'stopping') await this.#settle(served);
    if (task?.state.status !== 'running') return;
    if (isOnline(task)) {
      if (states.state === 'Online') this.#joinOnline(served);
      return;
    }
    if (states.state !== 'Offline') return;
    if (this.#clock.now() < (this.#notBeforeMs.get(name) ?? 0)) return;
    this.#notBeforeMs.set(name, this.#clock.now() + JOIN_AGAIN_MS);
    await this.#run(served, (store) => store.read(served.current.record.createdAt));
  }

  /** Waits until this process has left all of them. */
  async left(): Promise<void> {
    await Promise.all(Array.from(this.#local.values(), ({ left }) => left));
  }

  #left(name: string): Promise<void> | undefined {
    return this.#local.get(name)?.left ?? this.#online.left(name);
  }

  async #requireNoneRunning(served: ServedDatabase): Promise<void> {
    const task = await storeOf(served).read(served.current.record.createdAt);
    const status = task?.state.status;
    if (status !== 'running' && status !== 'stopping') return;
    throw new GatewayError('unavailable', `a resync of the database is ${status}; stop it first`);
  }

  /** With the database Resyncing. Resolves when it has begun, and rejects where it could not. */
  async #run(
    served: ServedDatabase,
    begin: (store: TaskStore) => Promise<StoredTask | undefined>,
  ): Promise<void> {
    const begun = Promise.withResolvers<void>();
    const work = async (opened: ResyncOpening): Promise<void> => {
      const { openBucket, database } = opened;
      const store = new TaskStore(openBucket.bucket, { database, task: TASK });
      const task = await begin(store);
      begun.resolve();
      if (task === undefined) return;
      const inTrouble = (reason: string | undefined): void => {
        local.trouble = reason;
      };
      await takePartInResync(task, { ...opened, store, clock: this.#clock, inTrouble });
    };
    const local: Local = {
      left: served
        .resync(work)
        .then(begun.resolve, begun.reject)
        .finally(() => this.#local.delete(served.name)),
      trouble: undefined,
    };
    this.#local.set(served.name, local);
    await begun.promise;
  }

  #joinOnline(served: ServedDatabase): void {
    this.#online.join(served, (joined) => this.#workOnline(served, joined));
  }

  async #workOnline(served: ServedDatabase, joined: JoinedTask): Promise<void> {
    const { database } = joined;
    const openBucket = openBucketOf(served);
    const store = storeOf(served);
    const task = await store.read(database.record.createdAt);
    if (task?.state.status !== 'running') return;
    const { collections } = resyncAskedSchema.parse(task.state.asked);
    await using opening = new AsyncDisposableStack();
    const contexts = await contextsForTask(
      { sandbox: this.#sandbox, clock: this.#clock, database, openBucket },
      new Map(collections.map((name) => [name, { kind: 'ruling' }])),
      opening,
    );
    const { observer } = database;
    const parts = { store, openBucket, contexts, observer, clock: this.#clock };
    await takePartInResync(task, { ...parts, ...joined });
  }

  async #settle(served: ServedDatabase): Promise<void> {
    const { openBucket } = served;
    if (openBucket === undefined) return;
    await settleStopping(storeOf(served), openBucket.member, served.current.record.createdAt);
  }

  async #view(served: ServedDatabase): Promise<ResyncView> {
    const store = storeOf(served);
    const task = await store.read(served.current.record.createdAt);
    if (task === undefined) return NEVER_RAN;
    const isPaused = isOnline(task) && served.states.state !== 'Online';
    const trouble = isPaused
      ? 'it waits: the database is not online on this node'
      : (this.#local.get(served.name)?.trouble ?? this.#online.trouble(served.name));
    return resyncView(task.state, await store.totals(task.state), trouble);
  }
}

function isOnline({ state }: StoredTask): boolean {
  return resyncAskedSchema.parse(state.asked).online;
}

function storeOf(served: ServedDatabase): TaskStore {
  return new TaskStore(openBucketOf(served).bucket, { database: served.name, task: TASK });
}
