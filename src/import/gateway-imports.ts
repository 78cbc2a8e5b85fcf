import type { DatabaseCompanion, ServingDatabase } from '../database/companion.ts';
import type { Clock } from '../util/clock.ts';
import { DatabaseImport } from './database-import.ts';

/** The import of what strangers write: hangs on to each database, as its configuration says. */
export class GatewayImports implements DatabaseCompanion {
  readonly #clock: Clock;
  /** Of each database the newest opening that serves. */
  readonly #serving = new Map<string, DatabaseImport>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Of a database that serves; undefined while it does not. */
  of(database: string): DatabaseImport | undefined {
    return this.#serving.get(database);
  }

  start(opening: ServingDatabase): Promise<AsyncDisposable> {
    const { name, closing } = opening;
    const running = new DatabaseImport(opening, this.#clock);
    this.#serving.set(name, running);
    const forget = (): void => {
      if (this.#serving.get(name) === running) this.#serving.delete(name);
    };
    closing.addEventListener('abort', forget, { once: true });
    running.start();
    return Promise.resolve({
      [Symbol.asyncDispose]: () => {
        forget();
        return running[Symbol.asyncDispose]();
      },
    });
  }
}
