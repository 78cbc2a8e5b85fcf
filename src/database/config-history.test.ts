import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merge, replace, takeBackTo } from './config-change.ts';
import { versionNumber } from './config-history.ts';
import type { ServedDatabase } from './served-database.ts';
import { openTestRegistries } from './test-registries.ts';

const anyVersion = (): boolean => true;
const numbersOf = async (served: ServedDatabase): Promise<readonly number[]> =>
  (await served.versions()).map(versionNumber);

test('each change keeps what it replaces, and tells in what they differ', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', revs_limit: 30, cache: { rev_cache: { size: 5 } } });
  const served = registry.served('db');
  await served.configure(merge({ revs_limit: 31, cache: { rev_cache: { size: 6 } } }), anyVersion);
  await served.configure(replace({ revs_limit: 31 }), anyVersion);
  const versions = await served.versions();
  assert.deepEqual(
    versions.map(({ given, changed }) => [given['revs_limit'], changed]),
    [
      [30, undefined],
      [31, ['cache.rev_cache.size', 'revs_limit']],
      [31, ['cache']],
    ],
  );
  const again = (await opened.registry()).served('db');
  assert.deepEqual(await again.versions(), versions, 'another process finds them too');
});

test('a change that changes nothing, or only whether it is offline, is no version', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const served = registry.served('db');
  await served.goOffline();
  await served.configure(merge({}), anyVersion);
  await served.goOnline();
  assert.deepEqual(await numbersOf(served), [1]);
});

test('a rollback is a further version, and leaves it offline where it is', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', revs_limit: 30 });
  const served = registry.served('db');
  await served.configure(merge({ revs_limit: 31 }), anyVersion);
  await served.goOffline();
  await served.configure(takeBackTo((await served.keptVersion(1)).given), anyVersion);
  assert.deepEqual(await numbersOf(served), [1, 2, 3]);
  assert.equal(served.current.config.revs_limit, 30);
  assert.equal(served.states.state, 'Offline');
  await assert.rejects(served.keptVersion(4), { tag: 'missing', message: /there are 1 to 3/u });
});

test('the last 50 are kept', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', offline: true });
  const served = registry.served('db');
  for (let n = 0; n < 53; n++)
    await served.configure(merge({ revs_limit: 100 + n, offline: true }), anyVersion);
  const numbers = await numbersOf(served);
  assert.deepEqual([numbers[0], numbers.length, numbers.at(-1)], [4, 51, 54]);
  await assert.rejects(served.keptVersion(3), { tag: 'missing', message: /there are 4 to 54/u });
});

test('a database that is made anew begins anew', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', revs_limit: 30 });
  await registry.served('db').configure(merge({ revs_limit: 31 }), anyVersion);
  await registry.delete('db');
  assert.equal(
    (await opened.bucket.listRecords({ kind: 'database_version', database: 'db', limit: 9 }))
      .length,
    0,
  );
  await registry.create('db', { bucket: 'b' });
  assert.deepEqual(await numbersOf(registry.served('db')), [1]);
});

test('of several processes that change it at once, each change is one version', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('db', { bucket: 'b' });
  const two = await opened.registry();
  const changes = [
    { revs_limit: 31 },
    { allow_empty_password: true },
    { old_rev_expiry_seconds: 1 },
    { local_doc_expiry_secs: 5 },
  ];
  await Promise.all(
    changes.map((patch, n) =>
      (n % 2 === 0 ? one : two).served('db').configure(merge(patch), anyVersion),
    ),
  );
  const served = one.served('db');
  await served.refresh();
  const versions = await served.versions();
  assert.deepEqual(versions.map(versionNumber), [1, 2, 3, 4, 5]);
  assert.deepEqual(
    versions.flatMap(({ changed = [] }) => changed).toSorted(),
    changes.flatMap((patch) => Object.keys(patch)).toSorted(),
  );
});

test('databases of this node alone keep theirs too, and nothing of them is in the bucket', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry({ isLocal: true });
  await registry.create('db', { bucket: 'b', revs_limit: 30 });
  const served = registry.served('db');
  await served.configure(merge({ revs_limit: 31 }), anyVersion);
  await served.goOffline();
  await served.goOnline();
  assert.equal(served.current.config.revs_limit, 31);
  assert.deepEqual(await numbersOf(served), [1, 2]);
  await assert.rejects(registry.create('twin', { bucket: 'b' }), { tag: 'conflict' });
  for (const kind of ['database', 'database_version'])
    assert.deepEqual(await opened.bucket.listRecords({ kind, database: '', limit: 9 }), []);
  await registry.delete('db');
  await registry.create('twin', { bucket: 'b' });
  assert.deepEqual((await opened.registry({ isLocal: true })).list(), []);
});
