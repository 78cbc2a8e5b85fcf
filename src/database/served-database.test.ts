import assert from 'node:assert/strict';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { DrivenClock } from '../util/driven-clock.ts';
import { merge, setFunction } from './config-change.ts';
import { openTestRegistries } from './test-registries.ts';

const anyVersion = (): boolean => true;
const ADMIN = { kind: 'admin' } as const;
const cancellation = new AbortController();

test('a database whose bucket is away stays offline and says why, until it is back', async () => {
  const parent = await mkdtemp(path.join(tmpdir(), 'tidegate-served-'));
  const folder = path.join(parent, 'buckets');
  try {
    await using opened = await openTestRegistries({ server: `sqlite:${folder}` });
    const registry = await opened.registry();
    await registry.create('db', { bucket: 'own' });
    const served = registry.served('db');
    const text = '{"a":1}';
    const write = { text, newEdits: true, cancellation };
    await served.current.collection(undefined).update(ADMIN, 'd', write);
    const { updateSequence } = await served.current.status();
    await served.goOffline();
    await rename(folder, `${folder}-away`);
    await assert.rejects(served.goOnline(), {
      tag: 'unavailable',
      message: /could not come online/,
    });
    assert.equal(served.states.state, 'Offline');
    assert.equal(served.states.inTrouble, true);
    assert.match(served.states.reason, /^it could not come online: /);
    assert.equal((await served.current.status()).updateSequence, updateSequence);
    await assert.rejects(served.configure(merge({ revs_limit: 7 }), anyVersion));
    await rename(`${folder}-away`, folder);
    await served.goOnline();
    assert.equal(served.states.state, 'Online');
    assert.equal(served.states.inTrouble, false);
    const read = await served.current.collection(undefined).read(ADMIN, 'd');
    assert.match(read.text(), /"a":1/);
  } finally {
    await rm(parent, { recursive: true });
  }
});

test('a configuration that cannot be served is put back, and the database serves on', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  const sync = 'function (doc) { channel("kept"); }';
  await registry.create('db', { bucket: 'b', sync });
  const served = registry.served('db');
  const guest = { disabled: false, admin_roles: ['no:role'] };
  await assert.rejects(
    served.configure(merge({ guest, sync: 'function (doc) { throw "new"; }' }), anyVersion),
    { tag: 'badRequest' },
  );
  assert.equal(served.states.state, 'Online');
  const { config, record } = served.current;
  assert.equal(config.sync, sync);
  assert.equal(config.guest.disabled, true);
  assert.equal(record.given['guest'], undefined);
  const write = { text: '{}', newEdits: true, cancellation };
  await served.current.collection(undefined).update(ADMIN, 'd', write);
  assert.match(
    await served.current.collection(undefined).tools.raw('d', { includeDoc: true }),
    /"kept"/,
  );
});

test('a change waits for openings that still answer requests, when there are many', async () => {
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock });
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b', offline_drain_secs: 30 });
  const served = registry.served('db');
  let changes = 0;
  let cutOff = 0;
  const change = async (): Promise<void> => {
    const { current } = served;
    const open = {
      cutOff: () => {
        cutOff += 1;
        current.leave(slot, open);
      },
    };
    const slot = current.enter(open);
    const text = `function () { channel("c${changes}"); }`;
    await served.configure(setFunction(['sync'], text), anyVersion);
    changes += 1;
  };
  for (let n = 0; n < 4; n++) await change();
  const fifth = change();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(changes, 4);
  clock.advance(30_000);
  await fifth;
  assert.deepEqual([changes, cutOff], [5, 4]);
  clock.advance(30_000);
});

test('who follows another node online stays offline where one says so meanwhile', async () => {
  await using opened = await openTestRegistries();
  const one = await opened.registry();
  await one.create('db', { bucket: 'b' });
  let meanwhile = (): Promise<void> => Promise.resolve();
  const two = await opened.registry({ beforeOpen: () => meanwhile() });
  const [asking, following] = [one.served('db'), two.served('db')];
  await asking.goOffline();
  await following.refresh();
  await asking.goOnline();
  // It has read that the database is online, and opens the bucket for that.
  let openings = 0;
  meanwhile = async () => {
    openings += 1;
    meanwhile = () => Promise.resolve();
    await asking.goOffline();
  };
  await following.refresh();
  assert.equal(openings, 1);
  assert.equal(following.states.state, 'Offline');
  assert.match(following.states.reason, /another node took it offline/);
  await asking.refresh();
  assert.equal(asking.states.state, 'Offline', 'it says nothing against it');
  assert.equal(following.current.config.offline, true);

  // The bucket that it opened for that is what it tells of.
  await asking.goOnline();
  await asking.current
    .collection(undefined)
    .update(ADMIN, 'd', { text: '{}', newEdits: true, cancellation });
  const { updateSequence } = await following.current.status();
  assert.equal(updateSequence, await opened.bucket.lastSequence());
  await following.refresh();
  assert.equal(following.states.state, 'Online');
});
