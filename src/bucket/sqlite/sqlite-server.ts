import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError } from '../../util/errors.ts';
import type { Bucket } from '../bucket.ts';
import type { BucketServer } from '../bucket-server.ts';
import { isThere, memoryFolder } from './memory-folder.ts';
import { SqliteBucket } from './sqlite-bucket.ts';
import { Store } from './store.ts';

/** Names of Couchbase buckets, which are names of files here. */
const BUCKET_NAME = /^[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,99}$/;
const EXTENSION = '.sqlite';

/** How long a write waits for another process's lock before it is `unavailable`. */
const BUSY_TIMEOUT_MS = 5000;

export interface SqliteServerOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly busyTimeoutMs?: number;
  /** For tests of a full disk: the most pages of a file. */
  readonly pagesMax?: number;
}

interface Shared {
  readonly store: Promise<Store>;
  holders: number;
}

/** Buckets as SQLite files in one folder. */
export class SqliteServer implements BucketServer {
  readonly url: string;
  readonly #folder: string;
  readonly #options: SqliteServerOptions;
  /** Whether the folder is gone with this server. */
  readonly #temporary: boolean;
  readonly #open = new Map<string, Shared>();

  private constructor(
    url: string,
    folder: string,
    options: SqliteServerOptions & { readonly temporary: boolean },
  ) {
    this.url = url;
    this.#folder = folder;
    this.#options = options;
    this.#temporary = options.temporary;
  }

  /** Buckets as files in `folder`, which is created where it is absent. */
  static async inFolder(folder: string, options: SqliteServerOptions): Promise<SqliteServer> {
    try {
      await createFolder(folder);
    } catch (cause) {
      throw new GatewayError('unavailable', `the folder ${folder} cannot be created`, { cause });
    }
    return new SqliteServer(`sqlite:${folder}`, folder, { ...options, temporary: false });
  }

  /**
   * Buckets in memory: an in-memory database of SQLite belongs to one connection, and reading and
   * writing take two, in two threads. So they are files without fsync in a folder of their own, in
   * shared memory where the system has it, and are removed when the server is closed.
   */
  static async inMemory(options: SqliteServerOptions): Promise<SqliteServer> {
    const folder = await memoryFolder(options);
    return new SqliteServer('sqlite::memory:', folder, { ...options, temporary: true });
  }

  async list(): Promise<readonly string[]> {
    let names: readonly string[];
    try {
      names = await readdir(this.#folder);
    } catch (cause) {
      throw new GatewayError('unavailable', 'the folder of the buckets cannot be read', { cause });
    }
    return names
      .filter((name) => name.endsWith(EXTENSION))
      .map((name) => name.slice(0, -EXTENSION.length))
      .filter((name) => BUCKET_NAME.test(name))
      .sort();
  }

  async stampOf(name: string): Promise<string | undefined> {
    const path = this.#pathOf(name);
    const file = await fileStamp(path);
    return file && `${file} ${await fileStamp(`${path}-wal`)}`;
  }

  async open(name: string, { create }: { readonly create: boolean }): Promise<Bucket> {
    if (!BUCKET_NAME.test(name)) {
      throw new GatewayError(
        'badRequest',
        `"${name}" is not the name of a bucket: that has 1 to 100 letters, digits, _ % - and ., ` +
          'and begins with no dot',
      );
    }
    const path = this.#pathOf(name);
    if (!create && !(await isThere(path))) {
      throw new GatewayError('missing', `there is no bucket "${name}"`);
    }
    await this.#closeMoved(name);
    const shared = this.#share(name, path);
    try {
      const store = await shared.store;
      return new SqliteBucket(store, async () => await this.#release(name, shared));
    } catch (cause) {
      if (this.#open.get(name) === shared) this.#open.delete(name);
      throw cause;
    }
  }

  #pathOf(name: string): string {
    return join(this.#folder, `${name}${EXTENSION}`);
  }

  /** Closes what is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { store } of open) await closeStore(store);
    if (this.#temporary) await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * A file that was replaced is closed before the one in its place is opened, whoever still holds
   * it: their connections would share a log of changes.
   */
  async #closeMoved(name: string): Promise<void> {
    const known = this.#open.get(name);
    if (known === undefined || !(await hasMoved(known.store))) return;
    if (this.#open.get(name) === known) this.#open.delete(name);
    await closeStore(known.store);
  }

  #share(name: string, path: string): Shared {
    const known = this.#open.get(name);
    if (known !== undefined) {
      known.holders += 1;
      return known;
    }
    const { log, clock, busyTimeoutMs = BUSY_TIMEOUT_MS, pagesMax = 0 } = this.#options;
    const store = Store.open({
      file: { path, synchronous: this.#temporary ? 'OFF' : 'FULL', busyTimeoutMs, pagesMax },
      supports: { manyProcesses: !this.#temporary, manyNodes: false },
      log: log.with({ key: 'Bucket', bucket: name }),
      clock,
    });
    const shared = { store, holders: 1 };
    this.#open.set(name, shared);
    return shared;
  }

  async #release(name: string, shared: Shared): Promise<void> {
    shared.holders -= 1;
    if (shared.holders > 0) return;
    if (this.#open.get(name) === shared) this.#open.delete(name);
    await closeStore(shared.store);
  }
}

/** Undefined where there is no such file, or none that can be looked at. */
async function fileStamp(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && `${found.ino} ${found.size} ${found.mtimeMs}`;
}

async function hasMoved(opening: Promise<Store>): Promise<boolean> {
  try {
    const { health } = await opening;
    health.check();
    return health.trouble?.kind === 'moved';
  } catch {
    // It never opened, of which whoever opened it was told.
    return false;
  }
}

async function closeStore(opening: Promise<Store>): Promise<void> {
  let store: Store;
  try {
    store = await opening;
  } catch {
    // Whoever opened it was told; there is nothing to close.
    return;
  }
  await store[Symbol.asyncDispose]();
}

/** Creates the folder, and makes its name survive a loss of power: its files alone do not. */
async function createFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let at = dirname(resolve(folder)); at.length >= above.length; at = dirname(at)) {
    const handle = await open(at, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (at === dirname(at)) return;
  }
}
