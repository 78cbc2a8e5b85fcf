import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merge } from './config-change.ts';
import type { DatabaseRegistry } from './registry.ts';
import { ADMIN } from './test-collection.ts';
import { openTestRegistries } from './test-registries.ts';

const anyVersion = () => true;
const cancellation = new AbortController();

const collections = (...names: readonly string[]) => ({
  scopes: { s: { collections: Object.fromEntries(names.map((name) => [name, {}])) } },
});

const write = (registry: DatabaseRegistry, keyspace: string, id: string) =>
  registry
    .served('from')
    .current.collection(keyspace)
    .update(ADMIN, id, { text: '{}', newEdits: true, cancellation });

test('a process that has not heard of it writes no more to a collection that was taken over', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('from', { bucket: 'b', ...collections('stays', 'moves') });
  await one.create('to', { bucket: 'b', ...collections('own') });
  const late = await opened.registry();
  await one.served('from').configure(merge(collections('stays')), anyVersion);
  await one.served('to').configure(merge(collections('own', 'moves')), anyVersion);
  assert.equal(one.served('to').states.state, 'Offline');
  assert.equal(one.served('to').states.inTrouble, true);
  await write(late, 'moves', 'before');
  await one.served('to').resync(() => Promise.resolve());
  await assert.rejects(write(late, 'moves', 'after'), {
    tag: 'unavailable',
    message: /serves the collection s\.moves no more/,
  });
  await write(late, 'stays', 'after');
  assert.deepEqual(await one.served('to').requireResync(), ['s.moves'], 'nothing was routed');
  await one.served('to').goOnline();
  assert.equal(one.served('to').states.state, 'Offline');
});

test('without the collection it comes online again, and with it on another node too', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('from', { bucket: 'b', ...collections('stays', 'moves') });
  await one.create('to', { bucket: 'b', ...collections('own') });
  const two = await opened.registry();
  await one.served('from').configure(merge(collections('stays')), anyVersion);
  await one.served('to').configure(merge(collections('own', 'moves')), anyVersion);
  await two.served('to').refresh();
  const states = () => [one, two].map((registry) => registry.served('to').states.state);
  assert.deepEqual(states(), ['Offline', 'Offline']);
  await one.served('to').configure(merge(collections('own')), anyVersion);
  await two.served('to').refresh();
  assert.deepEqual(states(), ['Online', 'Online']);
});
