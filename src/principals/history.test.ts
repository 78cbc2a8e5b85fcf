import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestPrincipals } from './test-principals.ts';

const password = 'letmein';

test('a lost channel is an ended period that begins and ends where the grant did', async () => {
  await using t = await openTestPrincipals();
  const { principals, bucket } = t;
  const home = t.collections[0]!;
  await principals.putUser('lea', { password, admin_channels: ['bar', 'street'] });
  const given = await bucket.lastSequence();
  await principals.putUser('lea', { admin_channels: ['street'] });
  const taken = await bucket.lastSequence();
  const { current, ended } = (await principals.access('lea')).channels(home);
  assert.deepEqual(
    [...current],
    [
      ['street', given],
      ['!', 1],
    ],
  );
  assert.deepEqual(ended, [{ channel: 'bar', from: given, until: taken }]);
});

test('a new user of an old name does not learn what the old one had', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const home = t.collections[0]!;
  await principals.putUser('ann', { password, admin_channels: ['secret'] });
  await t.grant('doc', [{ to: 'ann', channel: 'work' }]);
  await principals.deleteUser('ann');
  await assert.rejects(principals.access('ann'), { tag: 'unauthorized' });
  await principals.putUser('ann', { password });
  const { current, ended } = (await principals.access('ann')).channels(home);
  assert.deepEqual([...current.keys()], ['work', '!'], 'documents grant to the name');
  assert.deepEqual(ended, []);
  await t.grant('doc', []);
  const after = (await principals.access('ann')).channels(home);
  assert.deepEqual(
    after.ended.map((p) => p.channel),
    ['work'],
  );
});

test('the user row stands at the last change of the record, not at that of a grant', async () => {
  await using t = await openTestPrincipals();
  const { principals, bucket } = t;
  await principals.putUser('ann', { password });
  const changed = await bucket.lastSequence();
  const granted = await t.grant('doc', [{ to: 'ann', channel: 'a' }]);
  const access = await principals.access('ann');
  assert.equal(access.userSequence, changed);
  assert.equal(access.version, granted);
});

test('a change that changes nothing takes no sequence', async () => {
  await using t = await openTestPrincipals();
  const { principals, bucket } = t;
  await principals.putUser('ann', { password, admin_channels: ['a'], admin_roles: ['r'] });
  await principals.putRole('r', { admin_channels: ['b'] });
  const before = await bucket.lastSequence();
  await principals.putUser('ann', { admin_channels: ['a', 'a'], admin_roles: ['r'] });
  await principals.putUser('ann', {});
  await principals.putRole('r', {});
  assert.equal(await bucket.lastSequence(), before);
});

test('changes at the same time all take effect, and one creation wins', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const other = t.another();
  const created = await Promise.all([
    principals.putUser('ann', { password, admin_channels: ['a'] }),
    other.putUser('ann', { password, email: 'ann@example.com' }),
    principals.putUser('ann', { password, admin_roles: ['r'] }),
  ]);
  assert.equal(created.filter((one) => one.created).length, 1);
  const { admin_channels, email, admin_roles } = await principals.getUser('ann');
  assert.deepEqual([admin_channels, email, admin_roles], [['a'], 'ann@example.com', ['r']]);
});

test('principals of another database are strangers', async () => {
  await using t = await openTestPrincipals();
  await t.principals.putUser('ann', { password, admin_channels: ['a'] });
  await t.bucket.commit([
    {
      kind: 'principal',
      database: 'other',
      principal: 'user:bob',
      ifCas: 'absent',
      value: '{}',
      grants: [],
    },
  ]);
  assert.deepEqual(await t.principals.listUsers(), [{ name: 'ann', email: '', disabled: false }]);
  await assert.rejects(t.principals.getUser('bob'), { tag: 'missing' });
});

test('a record that is none is told as corrupt', async () => {
  await using t = await openTestPrincipals();
  await t.bucket.commit([
    {
      kind: 'principal',
      database: 'db',
      principal: 'user:bad',
      ifCas: 'absent',
      value: '{}',
      grants: [],
    },
  ]);
  await assert.rejects(t.principals.getUser('bad'), { tag: 'corrupt' });
  await assert.rejects(t.principals.verifyPassword('bad', 'x'), { tag: 'corrupt' });
});
