import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merge, replace, setFunction } from './config-change.ts';
import { readDatabaseRecord } from './database-record.ts';
import type { ServedDatabase } from './served-database.ts';
import { openTestRegistries } from './test-registries.ts';

const anyVersion = (): boolean => true;
const GUEST = { guest: { disabled: false } };
const channelTo = (name: string): string => `function (doc) { channel(${JSON.stringify(name)}); }`;

function counted(served: ServedDatabase): number {
  return served.current.config.revs_limit;
}

test('a merge keeps what it does not name, a replacement does not, and both keep the bucket', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', revs_limit: 30, sync: channelTo('one') });
  const served = registry.served('db');
  await served.configure(merge({ revs_limit: 31, ...GUEST }), anyVersion);
  const { config } = served.current;
  assert.equal(config.revs_limit, 31);
  assert.equal(config.sync, channelTo('one'));
  assert.equal(config.guest.disabled, false);
  await served.configure(merge({ sync: null }), anyVersion);
  assert.equal(served.current.config.sync, '', 'null takes a property away');
  await served.configure(merge({ users: { GUEST: { disabled: true } } }), anyVersion);
  assert.equal(served.current.config.guest.disabled, true, 'also in its older place');
  await served.configure(replace({ revs_limit: 32 }), anyVersion);
  assert.equal(served.current.config.bucket, 'b');
  assert.equal(served.current.config.revs_limit, 32);
  await served.configure(replace({}), anyVersion);
  assert.equal(counted(served), 50);
});

test('a mistake is told with all others, and changes nothing', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', sync: channelTo('one') });
  await registry.create('other', { bucket: 'b', scopes: { s: { collections: { c: {} } } } });
  const served = registry.served('db');
  const before = await readDatabaseRecord(opened.bucket, 'db');
  const { current } = served;
  const refused = [
    [merge({ revs_limit: 'x', nosuch: 1 }), 'badRequest', /nosuch: .*revs_limit: /],
    [merge([]), 'badRequest', /must be an object/],
    [replace(null), 'badRequest', /must be an object/],
    [merge({ sync: 'function (' }), 'badRequest', /^sync: .*line 1/],
    [setFunction(['sync'], 'channel('), 'badRequest', /^sync: /],
    [setFunction(['import_filter'], 'function ('), 'badRequest', /^import_filter: .*line 1/],
    [merge({ bucket: 'elsewhere' }), 'missing', /stays in its bucket/],
    [merge({ name: 'another' }), 'badRequest', /^.*name: /],
    [merge({ users: { a: { password: 'p' } } }), 'badRequest', /users: /],
    [merge({ sync: null, scopes: { s: { collections: { c: {} } } } }), 'conflict', /other/],
  ] as const;
  for (const [change, tag, message] of refused)
    await assert.rejects(served.configure(change, anyVersion), { tag, message });
  assert.deepEqual(await readDatabaseRecord(opened.bucket, 'db'), before);
  assert.equal(served.current, current, 'it was not even opened again');
  assert.equal(current.closing.aborted, false);
});

test('of two who change one version only one wins, also in different processes', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('db', { bucket: 'b', revs_limit: 30 });
  const two = await opened.registry();
  const [a, b] = [one.served('db'), two.served('db')];
  assert.equal(a.version, b.version);
  const version = a.version;
  const accepts = (it: string): boolean => it === version;
  const outcomes = await Promise.allSettled([
    a.configure(merge({ revs_limit: 31 }), accepts),
    b.configure(merge({ revs_limit: 32 }), accepts),
    a.configure(merge({ revs_limit: 33 }), accepts),
    b.configure(merge({ revs_limit: 34 }), accepts),
  ]);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected')
      assert.equal((outcome.reason as { tag?: string }).tag, 'preconditionFailed');
});

test('changes of different properties at once are all kept', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('db', { bucket: 'b' });
  const two = await opened.registry();
  const patches = [{ revs_limit: 31 }, { ...GUEST }, { allow_empty_password: true }];
  await Promise.all(
    patches.map((patch, n) => {
      const registry = n % 2 === 0 ? one : two;
      return registry.served('db').configure(merge(patch), anyVersion);
    }),
  );
  for (const registry of [one, two]) await registry.served('db').refresh();
  assert.equal(one.served('db').version, two.served('db').version);
  for (const registry of [one, two]) {
    const { config } = registry.served('db').current;
    assert.equal(config.revs_limit, 31);
    assert.equal(config.guest.disabled, false);
    assert.equal(config.allow_empty_password, true);
  }
});

test('a database that another process took offline follows when it is looked at again', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('db', { bucket: 'b' });
  const two = await opened.registry();
  await one.served('db').goOffline();
  assert.equal(two.served('db').states.state, 'Online');
  await two.served('db').refresh();
  assert.equal(two.served('db').states.state, 'Offline');
  await one.delete('db');
  await assert.rejects(two.served('db').configure(merge({}), anyVersion), { tag: 'missing' });
});

test('named collections keep their scope, and the functions of each are set alone', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  const scopes = { s: { collections: { c: { sync: channelTo('c') }, d: {} } } };
  await registry.create('db', { bucket: 'b', scopes });
  const served = registry.served('db');
  const { syncPath } = served.current.collectionConfig('d');
  await served.configure(setFunction(syncPath.split('.'), channelTo('d')), anyVersion);
  assert.equal(served.current.collectionConfig('s.c').sync, channelTo('c'));
  assert.equal(served.current.collectionConfig('s.d').sync, channelTo('d'));
  await served.configure(setFunction(syncPath.split('.'), ''), anyVersion);
  assert.equal(served.current.collectionConfig('d').sync, '');
  await assert.rejects(served.configure(replace({}), anyVersion), { tag: 'badRequest' });
  assert.throws(() => served.current.collectionConfig(undefined), { tag: 'missing' });
});
