import assert from 'node:assert/strict';
import path from 'node:path';
import type { Bucket } from '../bucket/bucket.ts';
import { testServer } from '../bucket/sqlite/test-support.ts';
import { ChangeCache } from '../changes/change-cache.ts';
import { ClusterMember } from '../cluster/cluster-member.ts';
import { parseDatabaseConfig } from '../config/database-config.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import { Collection } from '../database/collection.ts';
import type { ServingDatabase } from '../database/companion.ts';
import { importingContexts } from '../database/open-import-rules.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { startSandbox } from '../sandbox/start-sandbox.ts';
import { must } from '../util/assert.ts';
import { systemClock } from '../util/clock.ts';
import { DatabaseImport } from './database-import.ts';

const clock = systemClock;
const log = silentLog;
/** How long the gateway waits for a file that is locked. */
export const BUSY_MS = 100;

/** For tests: a database `db` that imports, with nothing else of a gateway. */
export interface TestDatabase extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly collection: Collection;
  readonly imports: DatabaseImport;
  /** Path of the bucket’s file, for an application that writes into it. */
  readonly file: string;
  /** Warnings and errors that were logged. */
  readonly logged: readonly string[];
}

export async function openTestDatabase(
  given: Readonly<Record<string, unknown>> = {},
): Promise<TestDatabase> {
  await using opening = new AsyncDisposableStack();
  const held = opening.use(await testServer({ busyTimeoutMs: BUSY_MS }));
  const bucket = opening.use(await held.server.open('b', { create: true }));
  const cache = opening.use(await ChangeCache.start({ bucket, log, clock }));
  const member = opening.use(new ClusterMember({ bucket, nodeId: 'node', log, clock }));
  const sandbox = opening.use(await startSandbox({ log }));
  const { config } = parseDatabaseConfig(given, { name: 'db' });
  const logged: string[] = [];
  const told = (message: string): void => void logged.push(message);
  const telling = { ...log, warn: told, error: told, with: () => telling };
  const observer = { database: 'db', log: telling, metrics: createMetrics({ clock }) };
  const refresh = (): never => assert.fail('nobody writes here but the administrator');
  const shared = { bucket, database: 'db', config, clock, observer, refresh };
  const collections = await importingContexts(shared, { sandbox, group: 'g' }, opening);
  const closing = new AbortController();
  const serving: ServingDatabase = {
    name: 'db',
    createdAt: '',
    config,
    bucket,
    member,
    collections,
    observer,
    closing: closing.signal,
  };
  const imports = opening.use(new DatabaseImport(serving, clock));
  imports.start();
  const context = must(collections.get(DEFAULT_COLLECTION), 'it is configured by default');
  const parts = opening.move();
  return {
    bucket,
    collection: new Collection(context, cache),
    imports,
    file: path.join(held.path, 'b.sqlite'),
    logged,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
