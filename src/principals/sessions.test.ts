import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestPrincipals } from './test-principals.ts';
import type { TestPrincipals } from './test-principals.ts';

const password = 'letmein';
const missing = { tag: 'missing' };
const badRequest = { tag: 'badRequest' };

async function withUser(name = 'tom'): Promise<TestPrincipals> {
  const t = await openTestPrincipals();
  await t.principals.putUser(name, { password, admin_channels: ['t'] });
  return t;
}

const holds = async (t: TestPrincipals, id: string) => (await t.sessions.verify(id)) !== undefined;

test('a session stands for its user until it ends, and ending it twice is no error', async () => {
  await using t = await withUser();
  const session = await t.sessions.create('tom');
  assert.match(session.id, /^[0-9a-f]{40}$/);
  const valid = await t.sessions.verify(session.id);
  assert.ok(valid?.reader.kind === 'user');
  assert.equal(valid.reader.access.name, 'tom');
  assert.equal(valid.extended, false);
  assert.deepEqual(await t.sessions.get(session.id), session);
  await t.sessions.end(session.id);
  assert.equal(await holds(t, session.id), false);
  await assert.rejects(t.sessions.get(session.id), missing);
  await t.sessions.end(session.id);
});

test('unknown ids are no sessions', async () => {
  await using t = await withUser();
  for (const id of ['', 'nosuch', 'x'.repeat(10_000)]) {
    assert.equal(await holds(t, id), false);
    await assert.rejects(t.sessions.get(id), missing);
    await assert.rejects(t.sessions.end(id), missing);
  }
});

test('the bucket does not have the id', async () => {
  await using t = await withUser();
  const { id } = await t.sessions.create('tom');
  for (const kind of ['session', 'user_session']) {
    const records = await t.bucket.listRecords({ kind, database: 'db', limit: 10 });
    assert.equal(records.length, 1);
    assert.ok(!JSON.stringify(records).includes(id));
  }
});

test('one session of a user is ended by that user only; all of a user at once', async () => {
  await using t = await withUser();
  await t.principals.putUser('tommy', { password });
  const other = await t.sessions.create('tommy');
  const ids = [];
  for (let i = 0; i < 5; i += 1) ids.push((await t.sessions.create('tom')).id);
  await assert.rejects(t.sessions.end(ids[0]!, { user: 'tommy' }), missing);
  await t.sessions.end(ids[0]!, { user: 'tom' });
  await assert.rejects(t.sessions.end(ids[0]!, { user: 'tom' }), missing);
  await t.sessions.endAll('tom');
  for (const id of ids) assert.equal(await holds(t, id), false);
  assert.equal(await holds(t, other.id), true);
  await t.sessions.endAll('nosuch');
});

test('what a session may be made for', async () => {
  await using t = await withUser();
  await assert.rejects(t.sessions.create('nosuch'), missing);
  for (const name of ['', 'GUEST']) await assert.rejects(t.sessions.create(name), badRequest);
  for (const ttl of [0, -5, 0.5, Number.NaN, Infinity, 1e12]) {
    await assert.rejects(t.sessions.create('tom', ttl), badRequest);
  }
  await t.principals.putUser('tom', { disabled: true });
  await assert.rejects(t.sessions.create('tom'), badRequest);
});

test('a disabled user has to wait; its session holds again when it is enabled', async () => {
  await using t = await withUser();
  const { id } = await t.sessions.create('tom');
  await t.principals.putUser('tom', { disabled: true });
  assert.equal(await holds(t, id), false);
  await t.principals.putUser('tom', { disabled: false, admin_channels: ['new'] });
  assert.equal(await holds(t, id), true);
});

test('a new password, a deletion, and a new user of the name void sessions for good', async () => {
  await using t = await withUser();
  const first = await t.sessions.create('tom');
  await t.principals.putUser('tom', { password: 'another' });
  assert.equal(await holds(t, first.id), false);
  await assert.rejects(t.sessions.get(first.id), missing);
  const second = await t.sessions.create('tom');
  await t.principals.deleteUser('tom');
  assert.equal(await holds(t, second.id), false);
  await t.principals.putUser('tom', { password });
  assert.equal(await holds(t, second.id), false);
});

test('a session in use is extended when a tenth of its lifetime has passed, else it expires', async () => {
  await using t = await withUser();
  const ttl = 1000;
  const used = await t.sessions.create('tom', ttl);
  const unused = await t.sessions.create('tom', ttl);
  t.clock.advance(90);
  assert.equal((await t.sessions.verify(used.id))?.extended, false);
  t.clock.advance(20);
  const extended = await t.sessions.verify(used.id);
  assert.equal(extended?.extended, true);
  assert.ok(extended.session.expires >= used.expires + 100);
  assert.equal((await t.sessions.verify(used.id))?.extended, false);
  t.clock.advance(900);
  assert.equal(await holds(t, used.id), true);
  assert.equal(await holds(t, unused.id), false);
  await t.sessions.endAll('tom');
  assert.equal(await holds(t, used.id), false, 'the extended one is still known as the user’s');
});

test('a session that is ended while it is being extended stays ended', async () => {
  await using t = await withUser();
  for (let round = 0; round < 10; round += 1) {
    const { id } = await t.sessions.create('tom', 1000);
    t.clock.advance(200);
    await Promise.all([t.sessions.verify(id), t.sessions.end(id), t.sessions.verify(id)]);
    assert.equal(await holds(t, id), false);
  }
});
