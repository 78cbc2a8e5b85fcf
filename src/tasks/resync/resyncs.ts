import type { ResyncOpening } from '../../database/resync-opening.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import { askToStop, settleStopping } from '../settle-stopping.ts';
import type { StoredTask } from '../task-store.ts';
import { TaskStore } from '../task-store.ts';
import { beginResync, takePartInResync } from './take-part-in-resync.ts';
import type { ResyncRequest } from './resync-request.ts';
import { collectionsAsked } from './resync-request.ts';
import type { ResyncDetails } from './resync-details.ts';
import { resyncDetails } from './resync-details.ts';
import type { ResyncView } from './resync-view.ts';
import { NEVER_RAN, resyncView } from './resync-view.ts';

/** After a resync could not be joined, it is tried again so late. */
const JOIN_AGAIN_MS = 5000;
/** How long a request to stop waits for this process to have left the resync. */
const STOP_WAITS_MS = 5000;

/** What this process does in the resync of a database. */
interface Local {
  /** Resolves when it has left it, and the database is Offline again; never rejects. */
  readonly left: Promise<void>;
  trouble: string | undefined;
}

/** Resyncs of the databases of this node: started, stopped, joined, and told of. */
export class Resyncs {
  readonly #clock: Clock;
  readonly #local = new Map<string, Local>();
  readonly #notBeforeMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Starts a resync, or goes on with a stopped one that is of the same functions and collections.
   * Throws `badRequest` for collections that the database has not, `unavailable` where it is not
   * offline, or a resync is running.
   */
  async start(served: ServedDatabase, request: ResyncRequest): Promise<ResyncView> {
    served.states.reactionTo('resync');
    collectionsAsked(served.current.config, request);
    await this.#run(served, (opened, store) =>
      beginResync(store, opened, { request, nowMs: this.#clock.now() }),
    );
    return this.#view(served);
  }

  /** Throws `badRequest` where none is running. */
  async stop(served: ServedDatabase): Promise<ResyncView> {
    await askToStop(storeOf(served), served.current.record.createdAt);
    const waited = new AbortController();
    const left = this.#local.get(served.name)?.left.finally(() => waited.abort());
    if (left !== undefined) await this.#clock.sleep(STOP_WAITS_MS, waited.signal);
    await this.#settle(served);
    return this.#view(served);
  }

  /** Where it stands on all nodes together. */
  async status(served: ServedDatabase): Promise<ResyncView> {
    const view = await this.#view(served);
    if (view.status === 'running' || view.status === 'stopping') return view;
    // Whoever is told that it has ended may bring the database online at once.
    await this.#local.get(served.name)?.left;
    return view;
  }

  /** More than the reference tells. */
  async details(served: ServedDatabase): Promise<ResyncDetails> {
    const store = storeOf(served);
    const task = await store.read(served.current.record.createdAt);
    const { openBucket } = served;
    if (openBucket === undefined) throw bucketAway();
    const nowMs = this.#clock.now();
    const run = task && { state: task.state, totals: await store.totals(task.state), nowMs };
    return resyncDetails(served, openBucket, run);
  }

  /** Throws `unavailable` while one is running, on whichever node. */
  async requireNone(served: ServedDatabase): Promise<void> {
    if (served.states.state !== 'Offline') return;
    const task = await storeOf(served).read(served.current.record.createdAt);
    if (task?.state.status !== 'running') return;
    throw new GatewayError('unavailable', 'a resync of the database is running; stop it first');
  }

  /** Joins a resync that another process has started, or this one before it was ended. */
  async look(served: ServedDatabase): Promise<void> {
    const { name } = served;
    if (this.#local.has(name)) return;
    const task = await storeOf(served).read(served.current.record.createdAt);
    if (task?.state.status === 'stopping') await this.#settle(served);
    if (task?.state.status !== 'running' || served.states.state !== 'Offline') return;
    if (this.#clock.now() < (this.#notBeforeMs.get(name) ?? 0)) return;
    this.#notBeforeMs.set(name, this.#clock.now() + JOIN_AGAIN_MS);
    await this.#run(served, (_, store) => store.read(served.current.record.createdAt));
  }

  /** Waits until this process has left all of them. */
  async left(): Promise<void> {
    await Promise.all(Array.from(this.#local.values(), ({ left }) => left));
  }

  /** Resolves when it has begun, and rejects where it could not. */
  async #run(
    served: ServedDatabase,
    begin: (opened: ResyncOpening, store: TaskStore) => Promise<StoredTask | undefined>,
  ): Promise<void> {
    const begun = Promise.withResolvers<void>();
    const local: Local = {
      left: served
        .resync(async (opened) => {
          const { openBucket, database } = opened;
          const store = new TaskStore(openBucket.bucket, { database, task: TASK });
          const task = await begin(opened, store);
          begun.resolve();
          if (task === undefined) return;
          await takePartInResync(task, {
            opened,
            store,
            clock: this.#clock,
            inTrouble: (reason) => {
              local.trouble = reason;
            },
          });
        })
        .then(begun.resolve, begun.reject)
        .finally(() => this.#local.delete(served.name)),
      trouble: undefined,
    };
    this.#local.set(served.name, local);
    await begun.promise;
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
    const trouble = this.#local.get(served.name)?.trouble;
    return resyncView(task.state, await store.totals(task.state), trouble);
  }
}

const TASK = 'resync';

function storeOf(served: ServedDatabase): TaskStore {
  const { openBucket, name } = served;
  if (openBucket === undefined) throw bucketAway();
  return new TaskStore(openBucket.bucket, { database: name, task: TASK });
}

function bucketAway(): GatewayError {
  return new GatewayError('unavailable', 'the bucket of the database is away; try again');
}
