import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { testFolder } from '../bucket/sqlite/test-support.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { openTestRegistries } from './test-registries.ts';

test('a database whose file is gone is not taken for deleted when another comes in its place', async () => {
  await using folder = await testFolder();
  const fileOf = (bucket: string): string => path.join(folder.path, `${bucket}.sqlite`);
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock, server: `sqlite:${folder.path}` });
  for (const bucket of ['stranger', 'z'])
    await (await opened.server.open(bucket, { create: true }))[Symbol.asyncDispose]();
  const followEveryMs = 3_600_000;
  const registry = await opened.registry({ followEveryMs });
  const another = await opened.registry();
  const timePassesUntil = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      clock.advance(1000);
      await turn();
    }
  };
  // Buckets are looked at by name: when what is in the last one is known, all were looked at.
  const everyBucketIsLookedAt = async (collection: string): Promise<void> => {
    const scopes = { s: { collections: { [collection]: {} } } };
    await another.create(collection, { bucket: 'z', scopes });
    await timePassesUntil(() => registry.get(collection) !== undefined);
  };
  await registry.create('taken', { bucket: 'b', feed_lost_offline_secs: 1 });
  const { states, feed } = registry.served('taken');
  await everyBucketIsLookedAt('before');

  await rename(fileOf('b'), `${fileOf('b')}.away`);
  await timePassesUntil(() => states.state === 'Offline');
  await everyBucketIsLookedAt('gone');
  await rename(fileOf('stranger'), fileOf('b'));
  await assert.rejects(registry.served('taken').goOnline(), { tag: 'unavailable' });
  await everyBucketIsLookedAt('replaced');
  assert.notEqual(registry.get('taken'), undefined);
  assert.deepEqual([states.state, feed.state.state], ['Offline', 'lost']);

  await rename(`${fileOf('b')}.away`, fileOf('b'));
  await registry.served('taken').goOnline();
  await everyBucketIsLookedAt('back');
  assert.deepEqual([states.state, feed.state.state], ['Online', 'following']);
});
