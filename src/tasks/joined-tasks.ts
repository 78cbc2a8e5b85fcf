import type { Database } from '../database/database.ts';
import type { ServedDatabase } from '../database/served-database.ts';
import { isGatewayError } from '../util/errors.ts';

/** What this process does in a task of a database, beside its requests. */
export interface JoinedTask {
  /** The opening of the database on which it was joined. */
  readonly database: Database;
  /** Aborts when that opening ends: on the next one it is joined again. */
  readonly signal: AbortSignal;
  readonly inTrouble: (reason: string | undefined) => void;
}

interface Local {
  readonly database: Database;
  readonly stop: AbortController;
  /** Resolves when it has left the task; never rejects. */
  readonly left: Promise<void>;
  trouble: string | undefined;
}

/** Tasks of one kind in which this process takes part, at most one of each database. */
export class JoinedTasks {
  readonly #local = new Map<string, Local>();

  /** Why that of a database does not get on for the moment. */
  trouble(name: string): string | undefined {
    return this.#local.get(name)?.trouble;
  }

  /** Resolves when this process has left that of a database; undefined: it takes no part. */
  left(name: string): Promise<void> | undefined {
    return this.#local.get(name)?.left;
  }

  /** Takes part as long as `work` takes, where it does not already. */
  join(served: ServedDatabase, work: (joined: JoinedTask) => Promise<void>): void {
    const { name, current: database } = served;
    if (this.#local.has(name) || database.closing.aborted) return;
    const stop = new AbortController();
    database.closing.addEventListener('abort', () => stop.abort());
    const inTrouble = (reason: string | undefined): void => {
      local.trouble = reason;
    };
    const local: Local = {
      database,
      stop,
      left: work({ database, signal: stop.signal, inTrouble })
        .catch((cause: unknown) => {
          // NOTE: tried again at the next look.
          if (isGatewayError(cause, 'unavailable')) return;
          database.observer.log.error('a task could not be worked on', { error: cause });
        })
        .finally(() => this.#local.delete(name)),
      trouble: undefined,
    };
    this.#local.set(name, local);
  }

  /** Leaves the task where the database has another opening: an offline one ends without a word. */
  leaveOld(served: ServedDatabase): void {
    const local = this.#local.get(served.name);
    if (local !== undefined && local.database !== served.current) local.stop.abort();
  }
}
