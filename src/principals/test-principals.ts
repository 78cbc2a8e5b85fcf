import type { Bucket, CollectionId, Grant } from '../bucket/bucket.ts';
import { openBucketServer } from '../bucket/open-bucket.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import { silentLog } from '../observability/log.ts';
import { must } from '../util/assert.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { Passwords } from './passwords.ts';
import { Principals } from './principals.ts';
import { Sessions } from './sessions.ts';

/** For tests: the principals of a database `db` in a bucket of its own. */
export interface TestPrincipals extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly clock: Clock & { advance(secs: number): void };
  /** The numbers of the collections, in the order of their names in the options. */
  readonly collections: readonly CollectionId[];
  /** Other Principals on the same bucket: another process that caches for itself. */
  another(): Principals;
  /** As after a change of the configuration, with these collections. */
  serving(names: readonly string[]): Principals;
  /** A document that grants, as `access()` and `role()` do. Gives its sequence. */
  grant(key: string, grants: readonly TestGrant[]): Promise<Sequence>;
}

export type TestGrant =
  | { readonly to: string; readonly channel: string }
  | { readonly to: string; readonly role: string };

export interface TestOptions {
  readonly collections?: readonly string[];
  readonly allowEmptyPassword?: boolean;
}

export async function openTestPrincipals(options: TestOptions = {}): Promise<TestPrincipals> {
  const log = silentLog;
  const server = await openBucketServer('sqlite::memory:', { log, clock: systemClock });
  const bucket = await server.open('bucket', { create: true });
  const names = options.collections ?? ['_default._default'];
  const collections = new Map<string, CollectionId>();
  for (const name of names) collections.set(name, await bucket.openCollection(name));
  const defaultCollection = await bucket.openCollection('_default._default');
  const known = new Map([['_default._default', defaultCollection], ...collections]);
  const passwords = new Passwords({ cost: 4 });
  const { allowEmptyPassword = false } = options;
  const shared = {
    bucket,
    database: 'db',
    collections,
    defaultCollection,
    passwords,
    log,
    allowEmptyPassword,
  };
  const principals = new Principals(shared);
  const clock = testClock();
  const ids = [...collections.values()];
  const home = must(ids[0], 'a database has a collection');
  return {
    bucket,
    principals,
    sessions: new Sessions({ bucket, database: 'db', principals, clock, log }),
    clock,
    collections: ids,
    another: () => new Principals(shared),
    serving: (served) =>
      new Principals({
        ...shared,
        collections: new Map([...known].filter(([name]) => served.includes(name))),
      }),
    grant: (key, grants) => commitGrants(bucket, home, { key, grants }),
    [Symbol.asyncDispose]: async () => {
      await bucket[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function testClock(): Clock & { advance(secs: number): void } {
  let ahead = 0;
  return {
    now: () => systemClock.now() + ahead,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    advance: (secs) => (ahead += secs * 1000),
  };
}

async function commitGrants(
  bucket: Bucket,
  collection: CollectionId,
  made: { readonly key: string; readonly grants: readonly TestGrant[] },
): Promise<Sequence> {
  const key = made.key as DocId;
  const before = await bucket.get(collection, key);
  const generation = before === undefined ? 1 : Number.parseInt(before.metadata?.rev ?? '0') + 1;
  const [result] = await bucket.commit([
    {
      kind: 'document',
      collection,
      key,
      ifCas: before?.cas ?? 'absent',
      body: '{}',
      expiry: 0,
      rev: `${generation}-${'a'.repeat(32)}` as RevId,
      flags: 0,
      metadata: '{}',
      channels: { in: [], out: [] },
      grants: {
        database: 'db',
        grants: made.grants.map((grant): Grant => {
          const none = 0 as CollectionId;
          const principal = grant.to.startsWith('role:')
            ? (grant.to as 'role:')
            : (`user:${grant.to}` as const);
          return 'channel' in grant
            ? { principal, kind: 'channel', collection, target: grant.channel }
            : { principal, kind: 'role', collection: none, target: grant.role };
        }),
      },
    },
  ]);
  if (!result?.ok) throw new Error('bug: nobody else writes in this test');
  return result.seq;
}
