import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestPrincipals } from './test-principals.ts';
import { openTestPrincipals } from './test-principals.ts';

const password = 'letmein';
const badRequest = { tag: 'badRequest' };
const missing = { tag: 'missing' };

test('a user is created, read, changed where named, listed and deleted', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  assert.deepEqual(await principals.listUsers(), []);
  await assert.rejects(principals.getUser('alice'), missing);
  const first = { password, email: 'alice@example.com', admin_channels: ['b', 'a', 'b'] };
  assert.deepEqual(await principals.putUser('alice', first), { created: true });
  assert.deepEqual(await principals.getUser('alice'), {
    name: 'alice',
    admin_channels: ['a', 'b'],
    email: 'alice@example.com',
    disabled: false,
    all_channels: ['!', 'a', 'b'],
  });
  const second = { admin_channels: ['c'], email: null, disabled: null };
  assert.deepEqual(await principals.putUser('alice', second), { created: false });
  assert.deepEqual(await principals.getUser('alice'), {
    name: 'alice',
    admin_channels: ['c'],
    email: 'alice@example.com',
    disabled: false,
    all_channels: ['!', 'c'],
  });
  assert.ok(await principals.verifyPassword('alice', password), 'the password stayed');
  await principals.putUser('alice', { admin_channels: [], email: '' });
  assert.deepEqual(await principals.getUser('alice'), {
    name: 'alice',
    email: '',
    disabled: false,
    all_channels: ['!'],
  });
  assert.deepEqual(await principals.listUsers(), [{ name: 'alice', email: '', disabled: false }]);
  await principals.deleteUser('alice');
  await assert.rejects(principals.deleteUser('alice'), missing);
  await assert.rejects(principals.getUser('alice'), missing);
  assert.equal(await principals.verifyPassword('alice', password), undefined);
  assert.deepEqual(await principals.listUsers(), []);
});

test('posting a user creates only, and needs a name', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  await principals.postUser({ name: 'bob', password });
  await assert.rejects(principals.postUser({ name: 'bob', password }), { tag: 'conflict' });
  await assert.rejects(principals.postUser({ password }), badRequest);
  for (const name of ['', 'GUEST']) {
    await assert.rejects(principals.postUser({ name, password }), { tag: 'conflict' });
  }
  await assert.rejects(principals.putUser('dave', { name: 'other', password }), badRequest);
  assert.deepEqual(await principals.putUser('dave', { name: 'dave', password }), { created: true });
});

test('bad names, passwords, channels, roles and computed fields are refused by name', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const refused: [name: string, input: unknown, message: RegExp][] = [
    ['x', {}, /password is required/],
    ['x', { password: 'ab' }, /at least 3/],
    ['x', { password: '' }, /password is required/],
    ['x', { password: 12345 }, /password: /],
    ['x', { password, email: 1 }, /email: /],
    ['x', { password, disabled: 'yes' }, /disabled: /],
    ['x', { password, admin_channels: ['a,b'] }, /admin_channels\.0: /],
    ['x', { password, admin_channels: [''] }, /admin_channels\.0: /],
    ['x', { password, admin_channels: 'a' }, /admin_channels: /],
    ['x', { password, admin_roles: ['a:b'] }, /admin_roles\.0: /],
    ['x', { password, all_channels: ['x'] }, /all_channels: is computed/],
    ['x', { password, roles: ['x'] }, /roles: is computed/],
    ['x', { password: 1, disabled: 2 }, /password: .*; disabled: /],
    ['x', [], /object/],
    ['x', null, /object/],
    ['x', undefined, /object/],
    ['a:b', { password }, /a name is/],
    ['a,b', { password }, /a name is/],
    ['a`b', { password }, /a name is/],
    ['x'.repeat(240), { password }, /a name is/],
    ['', { password }, /a name is/],
  ];
  for (const [name, input, message] of refused) {
    await assert.rejects(principals.putUser(name, input), { tag: 'badRequest', message }, name);
  }
  assert.deepEqual(await principals.listUsers(), []);
});

test('unusual names, unknown fields and malformed mail addresses are accepted', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const names = ['a/b', 'a b', 'a@b.com', 'a.b-c_d', 'été', 'x'.repeat(239), '__proto__'];
  for (const name of names) {
    const input = { password, nosuch: true, email: 'not an email' };
    assert.deepEqual(await principals.putUser(name, input), { created: true }, name);
    assert.equal((await principals.getUser(name)).email, '');
    assert.ok(await principals.verifyPassword(name, password));
  }
  assert.equal((await principals.listUsers()).length, names.length);
  assert.equal((await principals.listUsers({ limit: 2 })).length, 2);
});

test('without a password only where empty ones are allowed', async () => {
  await using t = await openTestPrincipals({ allowEmptyPassword: true });
  const { principals } = t;
  await principals.putUser('open', {});
  assert.ok(await principals.verifyPassword('open', ''));
  assert.equal(await principals.verifyPassword('open', 'x'), undefined);
  await principals.putUser('open', { password });
  assert.equal(await principals.verifyPassword('open', ''), undefined);
  await principals.putUser('open', { password: '' });
  assert.ok(await principals.verifyPassword('open', ''));
  assert.equal(await principals.verifyPassword('', ''), undefined, 'the guest does not log in');
});

test('a disabled user and one with a new password lose their login at once', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  await principals.putUser('wes', { password });
  const other = t.another();
  assert.ok(await other.verifyPassword('wes', password));
  await principals.putUser('wes', { disabled: true });
  assert.equal(await other.verifyPassword('wes', password), undefined);
  await assert.rejects(other.reader('wes'), { tag: 'unauthorized' });
  await principals.putUser('wes', { disabled: false });
  assert.ok(await other.verifyPassword('wes', password));
  await principals.putUser('wes', { password: 'another' });
  assert.equal(await other.verifyPassword('wes', password), undefined);
  assert.ok(await other.verifyPassword('wes', 'another'));
});

test('roles: soft deletion takes channels but not the name; purge takes the record', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const channels = async () => (await principals.getUser('u')).all_channels;
  assert.deepEqual(await principals.putRole('r1', { admin_channels: ['ch'] }), { created: true });
  assert.deepEqual(await principals.putRole('r1', {}), { created: false });
  assert.deepEqual(await principals.getRole('r1'), {
    name: 'r1',
    admin_channels: ['ch'],
    all_channels: ['!', 'ch'],
  });
  await principals.putUser('u', { password, admin_roles: ['r1', 'nosuch'] });
  assert.deepEqual(await channels(), ['!', 'ch']);
  await principals.deleteRole('r1', { purge: false });
  assert.deepEqual(await channels(), ['!']);
  assert.deepEqual((await principals.getUser('u')).roles, ['nosuch', 'r1']);
  assert.deepEqual((await principals.getUser('u')).admin_roles, ['nosuch', 'r1']);
  await assert.rejects(principals.getRole('r1'), missing);
  await assert.rejects(principals.deleteRole('r1', { purge: false }), missing);
  assert.deepEqual(await principals.listRoles({ deleted: false }), []);
  assert.deepEqual(await principals.listRoles({ deleted: true }), ['r1']);
  await principals.postRole({ name: 'r1', admin_channels: ['new'] });
  assert.deepEqual(await channels(), ['!', 'new']);
  await principals.deleteRole('r1', { purge: true });
  assert.deepEqual(await principals.listRoles({ deleted: true }), []);
  await assert.rejects(principals.deleteRole('r1', { purge: true }), missing);
});

test('roles refuse what users refuse, but know no password', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  await assert.rejects(principals.putRole('a:b', {}), badRequest);
  await assert.rejects(principals.putRole('ch', { admin_channels: ['a,b'] }), badRequest);
  await assert.rejects(principals.putRole('q', { name: 'other' }), badRequest);
  await assert.rejects(principals.postRole({}), badRequest);
  await assert.rejects(principals.postRole({ name: '' }), badRequest);
  await principals.putRole('pw', { password: 1, nosuch: 1 });
  await assert.rejects(principals.postRole({ name: 'pw' }), { tag: 'conflict' });
});

test('what documents grant shows in all_channels and roles, also before the user exists', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  await t.grant('g1', [
    { to: 'later', channel: 'x' },
    { to: 'role:r', channel: 'viarole' },
    { to: 'later', role: 'r' },
  ]);
  await principals.putUser('later', { password, admin_channels: ['own'] });
  const view = () => principals.getUser('later');
  assert.deepEqual((await view()).all_channels, ['!', 'own', 'x'], 'the role does not exist yet');
  await principals.putRole('r', {});
  assert.deepEqual((await view()).all_channels, ['!', 'own', 'viarole', 'x']);
  assert.deepEqual((await view()).roles, ['r']);
  assert.deepEqual((await view()).admin_channels, ['own']);
  assert.equal((await view()).admin_roles, undefined);
  await t.grant('g1', []);
  assert.deepEqual((await view()).all_channels, ['!', 'own']);
  assert.deepEqual([...(await principals.sessionChannels('later')).keys()], ['own', '!']);
});

test('collection_access is kept by collection; unknown ones are missing', async () => {
  await using t = await openTestPrincipals({ collections: ['s.c1', 's.c2'] });
  const { principals } = t;
  const give = (collection: string, access: unknown) => ({
    collection_access: { s: { [collection]: access } },
  });
  await principals.putUser('u', { password, ...give('c1', { admin_channels: ['a'], more: 1 }) });
  await principals.putUser('u', give('c2', { admin_channels: ['b'] }));
  assert.deepEqual(await principals.getUser('u'), {
    name: 'u',
    collection_access: {
      s: {
        c1: { admin_channels: ['a'], all_channels: ['!', 'a'] },
        c2: { admin_channels: ['b'], all_channels: ['!', 'b'] },
      },
    },
    email: '',
    disabled: false,
  });
  await principals.putUser('u', give('c1', { admin_channels: [] }));
  await principals.putUser('u', give('c2', null));
  await principals.putUser('u', { admin_channels: ['top'] });
  assert.deepEqual(await principals.getUser('u'), {
    name: 'u',
    admin_channels: ['top'],
    collection_access: {
      s: { c1: { all_channels: ['!'] }, c2: { admin_channels: ['b'], all_channels: ['!', 'b'] } },
    },
    email: '',
    disabled: false,
  });
  const [, c2] = t.collections;
  const access = await principals.access('u');
  assert.deepEqual([...access.channels(c2!).current.keys()].sort(), ['!', 'b']);
  const before = await t.bucket.lastSequence();
  await assert.rejects(principals.putUser('u', give('no', { admin_channels: [] })), missing);
  const other = { collection_access: { other: { c1: { admin_channels: ['x'] } } } };
  await assert.rejects(principals.putUser('u', other), missing);
  const computed = give('c1', { all_channels: ['q'] });
  await assert.rejects(principals.putUser('w', { password, ...computed }), badRequest);
  assert.equal(await t.bucket.lastSequence(), before);
});

test('the guest: disabled until an administrator says otherwise, never deleted', async () => {
  await using t = await openTestPrincipals();
  const { principals } = t;
  const absent = { name: 'GUEST', email: '', disabled: true };
  assert.deepEqual(await principals.getUser('GUEST'), absent);
  await assert.rejects(principals.reader(''), { tag: 'unauthorized' });
  await principals.putUser('GUEST', { admin_channels: ['pub'], password });
  assert.equal((await principals.getUser('GUEST')).disabled, true);
  assert.deepEqual(await principals.putUser('GUEST', { disabled: false }), { created: false });
  assert.deepEqual(await principals.getUser('GUEST'), {
    name: 'GUEST',
    admin_channels: ['pub'],
    email: '',
    disabled: false,
    all_channels: ['!', 'pub'],
  });
  assert.equal((await principals.reader('')).kind, 'user');
  assert.deepEqual(await principals.listUsers(), []);
  await assert.rejects(principals.deleteUser('GUEST'), { tag: 'methodNotAllowed' });
  await assert.rejects(principals.putUser('GUEST', { name: 'x' }), badRequest);
});

test('the configured guest is applied when it changes, and not over what was changed since', async () => {
  await using t = await openTestPrincipals();
  const closed = { disabled: true, admin_channels: [], admin_roles: [], collection_access: {} };
  const open = { ...closed, disabled: false, admin_channels: ['*'] };
  const shown = async (principals: TestPrincipals['principals']) => {
    const { disabled, admin_channels } = await principals.getUser('GUEST');
    return { disabled, admin_channels };
  };
  await t.principals.configureGuest(closed);
  assert.equal(await t.bucket.lastSequence(), 0, 'nothing to say');
  await t.principals.configureGuest(open);
  assert.deepEqual(await shown(t.principals), { disabled: false, admin_channels: ['*'] });
  await t.principals.putUser('GUEST', { admin_channels: ['less'] });
  const restarted = t.another();
  await restarted.configureGuest(open);
  assert.deepEqual(await shown(restarted), { disabled: false, admin_channels: ['less'] });
  await restarted.configureGuest({ ...open, admin_channels: ['new'] });
  assert.deepEqual(await shown(restarted), { disabled: false, admin_channels: ['new'] });
  await restarted.configureGuest(closed);
  assert.deepEqual(await shown(restarted), { disabled: true, admin_channels: undefined });
});

test('the configured guest has channels in collections, and only those that are configured', async () => {
  await using t = await openTestPrincipals({ collections: ['s.c1', 's.c2'] });
  const guest = { disabled: false, admin_channels: [], admin_roles: [] };
  const all = { admin_channels: ['*'] };
  const channels = async () => {
    const { access } = (await t.principals.account(''))!;
    return t.collections.map((id) => [...access.channels(id).current.keys()].sort());
  };
  await t.principals.configureGuest({ ...guest, collection_access: { s: { c1: all } } });
  assert.deepEqual(await channels(), [['!', '*'], ['!']]);
  await t.principals.putUser('GUEST', { collection_access: { s: { c2: all } } });
  await t.another().configureGuest({ ...guest, collection_access: { s: { c1: all } } });
  assert.deepEqual(await channels(), [
    ['!', '*'],
    ['!', '*'],
  ]);
  await t.another().configureGuest({ ...guest, collection_access: {} });
  assert.deepEqual(await channels(), [['!'], ['!']]);
});

test('channels of a collection that is not served now come back with it', async () => {
  await using t = await openTestPrincipals({ collections: ['s.c1', 's.c2'] });
  const both = { c1: { admin_channels: ['a'] }, c2: { admin_channels: ['b'] } };
  await t.principals.putUser('u', {
    password,
    admin_channels: ['top'],
    collection_access: { s: both },
  });
  await t.principals.putRole('r', { collection_access: { s: both } });
  const fewer = t.serving(['s.c1']);
  await fewer.putUser('u', { collection_access: { s: { c1: { admin_channels: [] } } } });
  await fewer.putRole('r', { collection_access: { s: { c1: { admin_channels: ['x'] } } } });
  const shown = await t.another().getUser('u');
  assert.deepEqual(shown.collection_access, {
    s: { c1: { all_channels: ['!'] }, c2: { admin_channels: ['b'], all_channels: ['!', 'b'] } },
  });
  const role = await t.another().getRole('r');
  assert.deepEqual(role.collection_access?.['s']?.['c2'], {
    admin_channels: ['b'],
    all_channels: ['!', 'b'],
  });
  const plain = await t.serving(['_default._default']).getUser('u');
  assert.deepEqual(plain.admin_channels, ['top']);
  assert.deepEqual(plain.all_channels, ['!', 'top']);
  await fewer.deleteUser('u');
  await fewer.putUser('u', { password });
  assert.deepEqual((await t.another().getUser('u')).collection_access?.['s']?.['c2'], {
    all_channels: ['!'],
  });
});
