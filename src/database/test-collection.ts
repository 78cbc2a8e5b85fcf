import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import { openBucketServer } from '../bucket/open-bucket.ts';
import { ChangeCache } from '../changes/change-cache.ts';
import { parseDatabaseConfig } from '../config/database-config.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Reader } from '../principals/access.ts';
import { Passwords } from '../principals/passwords.ts';
import { Principals } from '../principals/principals.ts';
import { startSandbox } from '../sandbox/start-sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { Collection } from './collection.ts';
import type { CollectionContext } from './collection-context.ts';
import { CurrentSyncFunction } from './current-sync-function.ts';

/** For tests: the default collection of a database `db` in a bucket of its own. */
export interface TestCollection extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly collection: Collection;
  readonly context: CollectionContext;
  readonly principals: Principals;
  readonly clock: Clock & { advance(secs: number): void };
  /** Writes as the administrator; gives the revision. */
  put(id: string, body: object, rev?: string): Promise<string>;
  user(name: string): Promise<Reader>;
}

export const ADMIN: Reader = { kind: 'admin' };

const NAME = '_default._default';

export async function openTestCollection(
  config: Readonly<Record<string, unknown>> = {},
): Promise<TestCollection> {
  await using opening = new AsyncDisposableStack();
  const log = silentLog;
  const clock = drivenClock();
  const server = opening.use(
    await openBucketServer('sqlite::memory:', { log, clock: systemClock }),
  );
  const bucket = opening.use(await server.open('b', { create: true }));
  const cache = opening.use(await ChangeCache.start({ bucket, log, clock: systemClock }));
  const sandbox = opening.use(await startSandbox({ log }));
  const parsed = parseDatabaseConfig(config, { name: 'db' });
  const id: CollectionId = await bucket.openCollection(NAME);
  const principals = new Principals({
    bucket,
    database: 'db',
    collections: new Map([[NAME, id]]),
    defaultCollection: id,
    passwords: new Passwords({ cost: 4 }),
    log,
    allowEmptyPassword: true,
  });
  const syncFunction = opening.use(
    await CurrentSyncFunction.open(
      {
        bucket,
        sandbox,
        record: { kind: 'sync_function', database: 'db', id: NAME },
        log,
        timeoutMs: 0,
      },
      parsed.config.sync === '' ? 'function (doc) { channel(doc.channels); }' : parsed.config.sync,
    ),
  );
  const context: CollectionContext = {
    bucket,
    id,
    database: 'db',
    config: parsed.config,
    syncFunction,
    clock,
    observer: { database: 'db', log, metrics: createMetrics({ clock }) },
    refresh: ({ name }) => principals.reader(name),
  };
  const collection = new Collection(context, cache);
  const open = opening.move();
  return {
    bucket,
    collection,
    context,
    principals,
    clock,
    put: async (docid, body, rev) => {
      const text = JSON.stringify(rev === undefined ? body : { ...body, _rev: rev });
      const cancellation = { signal: AbortSignal.timeout(WRITE_MS_MAX) };
      return (await collection.update(ADMIN, docid, { text, newEdits: true, cancellation })).rev;
    },
    user: (name) => principals.reader(name),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

const WRITE_MS_MAX = 20_000;

function drivenClock(): TestCollection['clock'] {
  let aheadSecs = 0;
  return {
    now: () => systemClock.now() + aheadSecs * 1000,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    advance: (secs) => {
      aheadSecs += secs;
    },
  };
}
