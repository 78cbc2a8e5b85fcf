import type { DatabaseRegistry } from '../database/registry.ts';
import type { Log } from '../observability/log.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { isGatewayError } from '../util/errors.ts';
import { Compactions } from './compact/compactions.ts';
import { Plans } from './plan/plans.ts';
import { Resyncs } from './resync/resyncs.ts';

/** How late a process learns of a task that another one has started. */
const LOOK_EVERY_MS = 1000;

/**
 * The tasks of all databases of this node. A task is the bucket's, not a process's: whoever serves
 * the database joins it, and one that was running when its process ended goes on.
 */
export class BackgroundTasks implements AsyncDisposable {
  readonly resyncs: Resyncs;
  readonly plans: Plans;
  readonly compactions: Compactions;
  readonly #registry: DatabaseRegistry;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: {
    readonly registry: DatabaseRegistry;
    readonly sandbox: Sandbox;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#registry = options.registry;
    this.#log = options.log;
    this.#clock = options.clock;
    this.resyncs = new Resyncs(options);
    this.plans = new Plans(options);
    this.compactions = new Compactions(options.clock);
    this.#running = this.#run();
  }

  /** Looks for tasks no more; those that are worked on end with their databases. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#clock.sleep(LOOK_EVERY_MS, signal);
      for (const { name } of this.#registry.list()) {
        if (signal.aborted) return;
        try {
          await this.#look(name);
        } catch (cause) {
          // NOTE: what is not there now is looked for again in a second.
          if (isGatewayError(cause, 'unavailable', 'missing')) continue;
          this.#log.warn('the tasks of a database cannot be worked on', { db: name, error: cause });
        }
      }
    }
  }

  async #look(name: string): Promise<void> {
    const served = this.#registry.served(name);
    if (served.openBucket === undefined) return;
    await this.resyncs.look(served);
    await this.plans.look(served);
    await this.compactions.look(served);
  }
}
