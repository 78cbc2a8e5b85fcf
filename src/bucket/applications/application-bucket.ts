import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

import { GatewayError } from '../../util/errors.ts';
import { ApplicationCollection } from './application-collection.ts';
import { BucketConnection } from './bucket-connection.ts';

export { CasConflict } from './cas-conflict.ts';
export type { ApplicationCollection, StoredBody, WriteOptions } from './application-collection.ts';
export type { ApplicationBucket };

/** How long an operation waits for another process's lock before it fails. */
const BUSY_TIMEOUT_MS = 5000;

export interface OpenOptions {
  /** How long an operation waits for another process's lock, ms; 5000 where absent. */
  readonly busyTimeoutMs?: number;
}

/**
 * `tidegate/bucket`: a bucket as an application reads and writes it, beside the gateways that serve
 * it. What it writes reaches clients by the gateways' import (`docs/import.md`).
 *
 * Errors: a `CasConflict` where a document is not as the caller said; else a `GatewayError` whose
 * `tag` is `badRequest` for what can be no document, `missing` where there is no such file or
 * collection, `unavailable` where the store fails or is locked for too long.
 */
export async function openBucket(
  path: string,
  { busyTimeoutMs = BUSY_TIMEOUT_MS }: OpenOptions = {},
): Promise<ApplicationBucket> {
  if (!existsSync(path)) throw new GatewayError('missing', `there is no bucket ${path}`);
  const connection = new BucketConnection(path, busyTimeoutMs);
  try {
    await connection.run((db) => requireBucket(db, path));
    return new ApplicationBucket(connection);
  } catch (cause) {
    connection[Symbol.dispose]();
    throw cause;
  }
}

/** An open bucket; a gateway must have made it. */
class ApplicationBucket implements Disposable {
  readonly #connection: BucketConnection;

  constructor(connection: BucketConnection) {
    this.#connection = connection;
  }

  /** A collection by its name, `scope.collection`; the default one where none is said. */
  async collection(name = '_default._default'): Promise<ApplicationCollection> {
    const row = await this.#connection.run((db) =>
      db.prepare('SELECT id FROM collections WHERE name = ?').get(name),
    );
    if (row === undefined) {
      throw new GatewayError('missing', `no gateway has made the collection ${name} yet`);
    }
    return new ApplicationCollection(this.#connection, Number(row['id']));
  }

  /** Closes the file; what was begun has ended or fails. */
  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

/** A file may be anything: throws where this is no bucket that notices what is written to it. */
function requireBucket(db: DatabaseSync, path: string): void {
  const trigger = db
    .prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'documents_foreign_insert'`)
    .get();
  if (trigger !== undefined) return;
  const reason = `${path} is no bucket, or an older one: start a gateway on it once`;
  throw new GatewayError('unavailable', reason);
}
