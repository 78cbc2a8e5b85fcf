import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../observability/metrics.ts';
import { silentLog } from '../observability/log.ts';
import { openTestPrincipals } from '../principals/test-principals.ts';
import { systemClock } from '../util/clock.ts';
import { Authenticator } from './authenticate.ts';
import { sessionAnswer } from './session-answer.ts';
import { TokenVerifier } from './token-verifier.ts';

const unauthorized = { tag: 'unauthorized' };
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

async function openAuthenticator({ disablePasswordAuth = false } = {}) {
  const t = await openTestPrincipals();
  const metrics = createMetrics({ clock: systemClock });
  metrics.addDatabase('db');
  const auth = new Authenticator({
    principals: t.principals,
    sessions: t.sessions,
    cookieName: 'SyncGatewaySession',
    disablePasswordAuth,
    tokens: new TokenVerifier([], t.clock),
    observer: { database: 'db', log: silentLog, metrics },
    clock: t.clock,
  });
  await t.principals.putUser('sue', { password: 'p:a:s:s', admin_channels: ['s'] });
  const { id } = await t.sessions.create('sue');
  const [right, cookie] = [basic('sue:p:a:s:s'), `a=b; SyncGatewaySession=${id}; c="d e"; ===`];
  return { ...t, auth, metrics, right, cookie };
}

test('the right name and password, or a session, are let in; the header decides before the cookie', async () => {
  await using t = await openAuthenticator();
  const { auth, right, cookie } = t;
  assert.equal((await auth.authenticate({ authorization: right })).by, 'password');
  const identity = await auth.authenticate({ cookie });
  assert.equal(identity.by, 'session');
  assert.ok(identity.reader.kind === 'user' && identity.reader.access.name === 'sue');
  const bogus = 'SyncGatewaySession=bogus';
  assert.equal((await auth.authenticate({ authorization: right, cookie: bogus })).by, 'password');
  const wrong = { authorization: basic('sue:wrong'), cookie };
  await assert.rejects(async () => auth.authenticate(wrong), unauthorized);
  assert.equal(t.metrics.value('auth_success_count', 'db'), 3);
  assert.equal(t.metrics.value('auth_failed_count', 'db'), 1);
});

test('wrong and malformed credentials are refused, with the guest open too', async () => {
  await using t = await openAuthenticator();
  const authorizations = [
    basic('sue:wrong'),
    basic('nobody:x'),
    basic('Sue:p:a:s:s'),
    basic('sue:'),
    basic(':'),
    basic('GUEST:'),
    basic('sue'),
    basic('\xff').slice(0, -2),
    'Basic !!!',
    'Basic ',
    'Basic',
    '',
    'Digest username="sue"',
    'Bearer abc',
    t.right.replace('Basic', 'basic'),
    `${t.right} x`,
    `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString('base64')}`,
  ];
  for (const disabled of [true, false]) {
    await t.principals.putUser('GUEST', { disabled });
    for (const authorization of authorizations) {
      await assert.rejects(
        async () => t.auth.authenticate({ authorization }),
        unauthorized,
        authorization,
      );
    }
    const cookie = 'SyncGatewaySession=0123456789abcdef';
    await assert.rejects(async () => t.auth.authenticate({ cookie }), unauthorized);
  }
});

test('who brings no credentials is the guest, where that is enabled', async () => {
  await using t = await openAuthenticator();
  const cookies = [undefined, 'Other=1', 'SyncGatewaySession=', '==='];
  for (const cookie of cookies) {
    assert.equal(await t.auth.identify({ cookie }), undefined);
    await assert.rejects(async () => t.auth.authenticate({ cookie }), unauthorized);
  }
  await t.principals.putUser('GUEST', { disabled: false, admin_channels: ['open'] });
  for (const cookie of cookies) assert.equal((await t.auth.authenticate({ cookie })).by, 'guest');
});

test('with password authentication disabled only sessions count', async () => {
  await using t = await openAuthenticator({ disablePasswordAuth: true });
  await assert.rejects(async () => t.auth.authenticate({ authorization: t.right }), unauthorized);
  await assert.rejects(t.auth.login('sue', 'p:a:s:s'), unauthorized);
  assert.equal((await t.auth.authenticate({ cookie: t.cookie })).by, 'session');
});

test('sessionAnswer shows own channels, the guest without a name, and nobody', async () => {
  await using t = await openAuthenticator();
  const frame = { authentication_handlers: ['default', 'cookie'], ok: true };
  assert.deepEqual(await sessionAnswer('sue', t.principals), {
    ...frame,
    userCtx: { channels: { s: 1, '!': 1 }, name: 'sue' },
  });
  assert.deepEqual(await sessionAnswer('', t.principals), {
    ...frame,
    userCtx: { channels: { '!': 1 }, name: null },
  });
  const nobody = await sessionAnswer(undefined, t.principals);
  assert.deepEqual(nobody, { ...frame, userCtx: { channels: null, name: null } });
});
