import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimDatabase } from './collection-claims.ts';
import type { DatabaseRecord } from './database-record.ts';
import { listDatabaseRecords } from './database-record.ts';
import type { DatabaseRegistry } from './registry.ts';
import { openTestRegistries } from './test-registries.ts';

const scopes = (...names: readonly string[]) => ({
  scopes: { s: { collections: Object.fromEntries(names.map((name) => [name, {}])) } },
});
const config = (...names: readonly string[]) => ({ bucket: 'b', ...scopes(...names) });
const names = (registry: DatabaseRegistry) => registry.list().map(({ name }) => name);

function record(
  name: string,
  given: object,
  createdAt = '2026-01-01T00:00:00.000Z',
): DatabaseRecord {
  return { name, given: { ...given }, createdAt, updatedAt: createdAt };
}

test('a collection has one database, of those that this node does not serve too', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('one', config('a', 'b'));
  await claimDatabase(opened.bucket, record('elsewhere', config('c')));
  await assert.rejects(registry.create('two', config('c', 'd')), {
    tag: 'conflict',
    message: 'the database elsewhere serves the collection s.c',
  });
  await assert.rejects(registry.create('one', config('d')), { tag: 'databaseExists' });
  await assert.rejects(registry.create('elsewhere', config('d')), { tag: 'databaseExists' });
  await registry.create('two', config('d'));
  await registry.create('plain', { bucket: 'b' });
  await assert.rejects(registry.create('more', { bucket: 'b' }), { tag: 'conflict' });
  await registry.delete('one');
  await registry.create('three', config('a'));
  assert.deepEqual(names(registry), ['plain', 'three', 'two']);
});

test('a bucket has at most a thousand databases', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  const key = (id: string) => ({ kind: 'database', database: '', id });
  await bucket.commit(
    Array.from({ length: 1000 }, (_, n) => ({
      kind: 'record',
      record: key(`db${n}`),
      value: JSON.stringify(record(`db${n}`, config(`c${n}`))),
      expiry: 0,
    })),
  );
  await assert.rejects(claimDatabase(bucket, record('more', config('new'))), { tag: 'conflict' });
  await bucket.commit([{ kind: 'record', record: key('db7'), value: null, expiry: 0 }]);
  await claimDatabase(bucket, record('more', config('new')));
});

test('of databases that are stored at once for one collection none stays', async () => {
  await using opened = await openTestRegistries();
  const claims = ['x', 'y', 'z'].map((name) =>
    claimDatabase(opened.bucket, record(name, config('a'))),
  );
  const outcomes = await Promise.allSettled(claims);
  const stored = (await listDatabaseRecords(opened.bucket)).map(({ name }) => name);
  const won = ['x', 'y', 'z'].filter((_, index) => outcomes[index]?.status === 'fulfilled');
  assert.deepEqual(stored, won);
  assert.ok(won.length <= 1);
});

test('what cannot be loaded is left out, and the others of its bucket are served', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  const store = async (...records: readonly DatabaseRecord[]) => {
    for (const each of records)
      await bucket.commit([
        {
          kind: 'record',
          record: { kind: 'database', database: '', id: each.name },
          value: JSON.stringify(each),
          expiry: 0,
        },
      ]);
  };
  await store(
    record('a-later', config('shared'), '2026-02-01T00:00:00.000Z'),
    record('b-earlier', config('shared', 'own')),
    record('c-future', { ...config('other'), not_known_yet: 1 }),
    record('d-good', config('good')),
  );
  const registry = await opened.registry();
  assert.deepEqual(names(registry), ['b-earlier', 'd-good']);
  await assert.rejects(registry.create('new', config('other')), { tag: 'conflict' });
});

test('a function that does not compile is told with its place, and leaves nothing', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  const broken = { s: { collections: { good: {}, bad: { sync: 'function(' } } } };
  await assert.rejects(registry.create('db', { bucket: 'new', scopes: broken }), {
    tag: 'badRequest',
    message: /^scopes\.s\.collections\.bad\.sync: /,
  });
  assert.deepEqual(names(registry), []);
  assert.deepEqual(await opened.server.list(), ['b']);
});

test('keyspaces find the collections of the one scope', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  const named = await registry.create('named', config('a', 'b'));
  assert.equal(named.collection('a'), named.collection('s.a'));
  assert.notEqual(named.collection('a'), named.collection('b'));
  for (const absent of [undefined, '', 'c', '_default', '_default._default', 's.', 'a.a', 's.a.a'])
    assert.throws(() => named.collection(absent), { tag: 'missing' }, String(absent));
  const plain = await registry.create('plain', { bucket: 'b' });
  for (const same of ['_default', '_default._default'])
    assert.equal(plain.collection(same), plain.collection(undefined));
  assert.throws(() => plain.collection('a'), { tag: 'missing' });
});
