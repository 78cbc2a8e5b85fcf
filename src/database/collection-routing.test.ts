import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimRouting,
  readRouting,
  routedForOthers,
  routingChange,
  routingIsWhole,
} from './collection-routing.ts';
import { openTestRegistries } from './test-registries.ts';

test('a collection is of the first database that serves it, all of them or none', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  assert.deepEqual(await claimRouting(bucket, 'one', ['s.a', 's.b']), []);
  assert.deepEqual(await claimRouting(bucket, 'one', ['s.b', 's.c']), []);
  assert.deepEqual(await claimRouting(bucket, 'two', ['s.d', 's.b']), ['s.b']);
  assert.equal(await readRouting(bucket, 's.d'), undefined, 'nothing is claimed beside it');
  assert.deepEqual(await routedForOthers(bucket, 'two', ['s.c', 's.d', 's.a']), ['s.c', 's.a']);
});

test('of two that claim at once one has it', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  const both = await Promise.all(['one', 'two'].map((id) => claimRouting(bucket, id, ['s.a'])));
  assert.equal(both.flat().length, 1);
});

test('until a resync has ended, it is no database’s', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  await claimRouting(bucket, 'one', ['s.a']);
  const takeOver = async (metadataId: string): Promise<void> => {
    const before = await readRouting(bucket, 's.a');
    const routing = { metadataId, isWhole: false };
    await bucket.commit([routingChange('s.a', routing, before!.cas)]);
  };
  await takeOver('two');
  for (const id of ['one', 'two'])
    assert.deepEqual(await routedForOthers(bucket, id, ['s.a']), ['s.a'], id);
  await routingIsWhole(bucket, 'one', 's.a');
  assert.deepEqual(await routedForOthers(bucket, 'one', ['s.a']), ['s.a'], 'of another one');
  await takeOver('three');
  await routingIsWhole(bucket, 'two', 's.a');
  assert.deepEqual(await routedForOthers(bucket, 'two', ['s.a']), ['s.a'], 'it came too late');
  await routingIsWhole(bucket, 'three', 's.a');
  assert.deepEqual(await routedForOthers(bucket, 'three', ['s.a']), []);
});
