import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestPrincipals } from './test-principals.ts';
import type { TestPrincipals } from './test-principals.ts';
import type { TokenUser } from './token-user.ts';

const AT = Date.UTC(2026, 0, 1);
const register = { register: true, nowMs: AT };
const known = { register: false, nowMs: AT };

function token(
  claims: Partial<TokenUser['claims']> = {},
  more: Partial<TokenUser> = {},
): TokenUser {
  const empty = { issuer: 'i', roles: [], channels: [], issuedSecs: undefined };
  return { name: 'ann', email: undefined, ...more, claims: { ...empty, ...claims } };
}

async function channelsOf({ principals, collections }: TestPrincipals, which = 0) {
  const account = await principals.account('ann');
  assert.ok(account !== undefined);
  return [...account.access.channels(collections[which]!).current.keys()].toSorted();
}

test('who is unknown is let in only where users are made of tokens', async () => {
  await using t = await openTestPrincipals();
  assert.equal(await t.principals.tokenReader(token(), known), undefined);
  assert.deepEqual(await t.principals.listUsers(), []);
  const email = 'ann@example.com';
  const reader = await t.principals.tokenReader(token({}, { email }), register);
  assert.ok(reader?.kind === 'user' && reader.access.name === 'ann');
  assert.deepEqual(await t.principals.getUser('ann'), {
    name: 'ann',
    email,
    disabled: false,
    all_channels: ['!'],
    jwt_issuer: 'i',
    jwt_last_updated: '2026-01-01T00:00:00.000Z',
  });
  assert.ok(await t.principals.tokenReader(token(), known));
});

test('a user that a token made has no password, not even an empty one', async () => {
  await using t = await openTestPrincipals({ allowEmptyPassword: true });
  await t.principals.tokenReader(token(), register);
  for (const password of ['', 'ann', '.'])
    assert.equal(await t.principals.verifyPassword('ann', password), undefined);
  await t.principals.putUser('ann', { password: 'letmein' });
  assert.ok(await t.principals.verifyPassword('ann', 'letmein'));
});

test('a malformed email is passed over, and a user that is there keeps its own', async () => {
  await using t = await openTestPrincipals();
  await t.principals.tokenReader(token({}, { email: 'nonsense' }), register);
  assert.equal((await t.principals.getUser('ann')).email, '');
  await t.principals.tokenReader(token({ roles: ['r'] }, { email: 'a@example.com' }), register);
  assert.equal((await t.principals.getUser('ann')).email, '');
});

test('claims give and take beside what an administrator gives, with sequences and reasons', async () => {
  await using t = await openTestPrincipals();
  await t.principals.putRole('staff', { admin_channels: ['inner'] });
  await t.principals.putUser('ann', { password: 'letmein', admin_channels: ['a', 'b'] });
  await t.principals.tokenReader(token({ roles: ['staff'], channels: ['b', 'c'] }), known);
  assert.deepEqual(await channelsOf(t), ['!', 'a', 'b', 'c', 'inner']);
  const view = await t.principals.getUser('ann');
  assert.deepEqual(
    [view.admin_channels, view.jwt_channels],
    [
      ['a', 'b'],
      ['b', 'c'],
    ],
  );
  assert.deepEqual(
    [view.admin_roles, view.jwt_roles, view.roles],
    [undefined, ['staff'], ['staff']],
  );
  const { channel_reasons: reasons } = await t.principals.reasons({ kind: 'user', name: 'ann' });
  const of = reasons['_default._default'];
  assert.deepEqual(of?.['c'], [{ since: 3, granted_by: { kind: 'jwt', issuer: 'i' } }]);
  assert.deepEqual(
    of?.['b']?.map(({ since, granted_by: by }) => [since, by.kind]),
    [
      [2, 'administrator'],
      [3, 'jwt'],
    ],
  );
  assert.deepEqual(of?.['inner']?.[0]?.role?.granted_by, { kind: 'jwt', issuer: 'i' });

  await t.principals.tokenReader(token({ channels: ['d'] }), known);
  assert.deepEqual(await channelsOf(t), ['!', 'a', 'b', 'd']);
  const account = await t.principals.account('ann');
  const { ended } = account!.access.channels(t.collections[0]!);
  assert.deepEqual(
    ended.map(({ channel, from, until }) => `${channel} ${from}-${until}`),
    ['c 3-4', 'inner 3-4'],
  );
  await t.principals.putUser('ann', { admin_channels: [] });
  assert.deepEqual(await channelsOf(t), ['!', 'd']);
});

test('a token that says the same changes nothing, in any process', async () => {
  await using t = await openTestPrincipals();
  const said = token({ channels: ['c'], issuedSecs: 10 });
  await t.principals.tokenReader(said, register);
  const before = await t.bucket.lastAccessChange('db');
  const later = { ...said, claims: { ...said.claims, issuedSecs: 20 } };
  for (const principals of [t.principals, t.another()])
    for (const each of [said, later])
      assert.ok(await principals.tokenReader(each, { register: true, nowMs: AT + 1000 }));
  assert.equal(await t.bucket.lastAccessChange('db'), before);
  await t.another().tokenReader(token({ channels: ['e'], issuedSecs: 20 }), known);
  assert.deepEqual(await channelsOf(t), ['!', 'e']);
});

test('what an older token claims does not come back', async () => {
  await using t = await openTestPrincipals();
  const channelsAfter = async (issuedSecs: number | undefined, channel: string) => {
    const reader = await t.principals.tokenReader(
      token({ channels: [channel], issuedSecs }),
      register,
    );
    assert.ok(reader !== undefined);
    return (await channelsOf(t)).slice(1);
  };
  assert.deepEqual(await channelsAfter(20, 'new'), ['new']);
  assert.deepEqual(await channelsAfter(10, 'old'), ['new']);
  assert.deepEqual(await channelsAfter(20, 'same-second'), ['same-second']);
  assert.deepEqual(await channelsAfter(undefined, 'undated'), ['undated']);
  const [nowSecs, farSecs] = [AT / 1000, 4e9];
  assert.deepEqual(await channelsAfter(farSecs, 'ahead-of-time'), ['ahead-of-time']);
  assert.deepEqual(await channelsAfter(nowSecs, 'later'), ['later']);
});

test('a disabled user is not let in, and a deleted one takes its claims along', async () => {
  await using t = await openTestPrincipals();
  await t.principals.tokenReader(token({ channels: ['c'] }), register);
  await t.principals.putUser('ann', { disabled: true });
  assert.equal(await t.principals.tokenReader(token({ channels: ['d'] }), register), undefined);
  assert.deepEqual((await t.principals.getUser('ann')).jwt_channels, ['c']);
  await t.principals.deleteUser('ann');
  assert.equal(await t.principals.tokenReader(token(), known), undefined);
  await t.principals.putUser('ann', { password: 'letmein' });
  assert.deepEqual(await channelsOf(t), ['!']);
  await t.principals.tokenReader(token({ channels: ['e'] }), known);
  assert.deepEqual(await channelsOf(t), ['!', 'e']);
});

test('channels hold in each collection that the database serves when the token comes', async () => {
  await using t = await openTestPrincipals({ collections: ['s.one', 's.two'] });
  const said = token({ channels: ['c'] });
  await t.serving(['s.one']).tokenReader(said, register);
  assert.deepEqual([await channelsOf(t), await channelsOf(t, 1)], [['!', 'c'], ['!']]);
  await t.serving(['s.one', 's.two']).tokenReader(said, known);
  assert.deepEqual(
    [await channelsOf(t), await channelsOf(t, 1)],
    [
      ['!', 'c'],
      ['!', 'c'],
    ],
  );
  await t.serving(['s.two']).tokenReader(said, known);
  assert.deepEqual([await channelsOf(t), await channelsOf(t, 1)], [['!'], ['!', 'c']]);
});

test('claims survive a change by the administrator, and another issuer takes over', async () => {
  await using t = await openTestPrincipals();
  await t.principals.tokenReader(token({ channels: ['c'] }), register);
  await t.principals.putUser('ann', { email: 'ann@example.com', admin_channels: ['a'] });
  assert.deepEqual(await channelsOf(t), ['!', 'a', 'c']);
  await t.principals.tokenReader(token({ issuer: 'j', channels: ['c', 'x'] }), known);
  const { channel_reasons: reasons } = await t.principals.reasons({ kind: 'user', name: 'ann' });
  const by = reasons['_default._default']?.['c']?.map(({ granted_by: { issuer } }) => issuer);
  assert.deepEqual(by, ['j']);
  assert.equal(
    (await t.principals.account('ann'))?.access.channels(t.collections[0]!).ended.length,
    0,
  );
});
