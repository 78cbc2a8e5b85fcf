import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { base64url, inSecs, newIssuer, unsignedToken } from '../../test/helpers/tokens.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { openTestTokens } from './test-tokens.ts';

const issuer = newIssuer();
const other = newIssuer('k2', 'ES256');
const PROVIDER = {
  issuer: 'https://id.example.com',
  client_id: 'app',
  algorithms: ['RS256', 'ES256'],
  keys: [issuer.jwk, other.jwk],
  user_prefix: 'us',
  roles_claim: 'roles',
  channels_claim: 'channels',
};
const claims = (more: Readonly<Record<string, unknown>> = {}) => ({
  iss: PROVIDER.issuer,
  aud: 'app',
  sub: 'ann',
  exp: inSecs(60),
  ...more,
});

function open(changes: object = {}, clock: Clock = systemClock) {
  return openTestTokens({ p: { ...PROVIDER, ...changes } }, clock);
}

test('a good token says who the user is and what it may have', async () => {
  using t = open();
  const iat = inSecs(-5);
  const said = claims({ iat, roles: ['b', 'a', 'b'], channels: 'c', email: 'ann@example.com' });
  const { user, untilMs } = await t.tokens.verify(issuer.token(said));
  assert.deepEqual(user, {
    name: 'us_ann',
    email: 'ann@example.com',
    claims: { issuer: PROVIDER.issuer, roles: ['a', 'b'], channels: ['c'], issuedSecs: iat },
  });
  assert.ok(Math.abs(untilMs - (said.exp + 5) * 1000) < 1);
  const list = claims({ aud: ['x', 'app'] });
  assert.equal((await t.tokens.verify(other.token(list))).user.name, 'us_ann');
});

test('what is wrong with a token is refused, with a reason', async () => {
  using t = open();
  const stranger = newIssuer();
  const good = issuer.token(claims());
  const [head = '', body = '', signature = ''] = good.split('.');
  const shared = unsignedToken({ alg: 'HS256', kid: 'k1' }, claims());
  const pem = issuer.publicKey.export({ format: 'pem', type: 'spki' });
  const cases: Readonly<Record<string, readonly [token: string, why: RegExp]>> = {
    'of another issuer': [issuer.token(claims({ iss: 'https://x' })), /no provider/],
    'for another audience': [issuer.token(claims({ aud: 'other' })), /no provider/],
    'for a list of others': [issuer.token(claims({ aud: ['x', 'y'] })), /no provider/],
    'for nobody': [issuer.token(claims({ aud: undefined })), /no provider/],
    expired: [issuer.token(claims({ exp: inSecs(-6) })), /"exp" claim/],
    'without an end': [issuer.token(claims({ exp: undefined })), /"exp" claim/],
    'with an end that is no number': [issuer.token(claims({ exp: 'soon' })), /"exp" claim/],
    'not yet good': [issuer.token(claims({ nbf: inSecs(60) })), /"nbf" claim/],
    'signed by a stranger': [stranger.token(claims()), /signature/],
    'of an unknown key': [issuer.token(claims(), { kid: 'k9' }), /no applicable key/],
    'of no key that is named, where there are two': [
      issuer.token(claims({}), { kid: undefined, alg: 'PS256' }),
      /"alg"/,
    ],
    'of an algorithm that is not configured': [issuer.token(claims(), { alg: 'RS512' }), /"alg"/],
    'with the key of another algorithm': [
      issuer.token(claims(), { alg: 'ES256' }),
      /no applicable/,
    ],
    unsigned: [`${unsignedToken({ alg: 'none' }, claims())}.`, /./],
    'unsigned, with something for a signature': [
      `${unsignedToken({ alg: 'none' }, claims())}.e30`,
      /"alg"/,
    ],
    'signed with the public key as a secret': [
      `${shared}.${createHmac('sha256', pem).update(shared).digest('base64url')}`,
      /"alg"/,
    ],
    'without its signature': [`${head}.${body}.`, /./],
    'with more behind it': [`${good}.x`, /./],
    'with claims of another': [
      `${head}.${base64url(JSON.stringify(claims({ sub: 'bob' })))}.${signature}`,
      /signature/,
    ],
    'with an unknown extension that it calls critical': [
      issuer.token(claims(), { crit: ['x'], x: 1 }),
      /./,
    ],
    'whose claims are no object': [`${head}.${base64url('[]')}.${signature}`, /no JSON Web Token/],
    'without a subject': [issuer.token(claims({ sub: undefined })), /claim sub is no text/],
    'with an empty subject': [issuer.token(claims({ sub: '' })), /claim sub is no text/],
    'whose subject is an object': [issuer.token(claims({ sub: {} })), /claim sub is no text/],
    'with too long a name': [issuer.token(claims({ sub: 'a'.repeat(300) })), /no valid user/],
    'whose roles are a number': [issuer.token(claims({ roles: 1 })), /claim roles/],
    'with a channel that is none': [issuer.token(claims({ channels: ['a,b'] })), /claim channels/],
    'with a list in the list': [issuer.token(claims({ channels: [['a']] })), /claim channels/],
    'with very many channels': [
      issuer.token(claims({ channels: Array.from({ length: 1001 }, (_, i) => `${i}`) })),
      /more than 1000/,
    ],
  };
  for (const [what, [token, why]] of Object.entries(cases)) {
    await assert.rejects(t.tokens.verify(token), { tag: 'unauthorized', message: why }, what);
  }
  assert.equal((await t.tokens.verify(good)).user.name, 'us_ann');
});

test('the name of the user: prefix and claim, as the reference documents it', async () => {
  const nameBy = async (changes: object, more: Readonly<Record<string, unknown>> = {}) => {
    using t = open(changes);
    return (await t.tokens.verify(issuer.token(claims(more)))).user.name;
  };
  const none = { user_prefix: '' };
  assert.equal(await nameBy({}), 'us_ann');
  assert.equal(await nameBy(none), 'https%3A%2F%2Fid.example.com_ann');
  assert.equal(await nameBy({}, { sub: "a b|c:d'" }), 'us_a%20b%7Cc%3Ad%27');
  const mail = { email: 'ann@example.com', id: 17 };
  assert.equal(await nameBy({ username_claim: 'email' }, mail), 'us_ann@example.com');
  assert.equal(await nameBy({ ...none, username_claim: 'email' }, mail), 'ann@example.com');
  assert.equal(await nameBy({ ...none, username_claim: 'id' }, mail), '17');
  for (const id of ['GUEST', 'a:b', 1.5, '', undefined]) {
    const named = nameBy({ ...none, username_claim: 'id' }, { id });
    await assert.rejects(named, { tag: 'unauthorized' }, String(id));
  }
});

test('the one key of a provider needs no name', async () => {
  const { kid: _, ...nameless } = issuer.jwk;
  using t = open({ keys: [nameless], client_id: '' });
  for (const kid of [undefined, 'whatever']) {
    const { user } = await t.tokens.verify(issuer.token(claims({ aud: 'any' }), { kid }));
    assert.equal(user.name, 'us_ann');
  }
  using named = open({ keys: [issuer.jwk] });
  const wrong = issuer.token(claims(), { kid: 'k9' });
  await assert.rejects(named.tokens.verify(wrong), { tag: 'unauthorized' });
  await named.tokens.verify(issuer.token(claims(), { kid: undefined }));
});

test('skip_expiry_check lets in what has expired, and nothing else that is wrong', async () => {
  using t = open({ skip_expiry_check: true });
  const expired = { exp: inSecs(-600) };
  for (const more of [expired, { exp: undefined }])
    assert.equal((await t.tokens.verify(issuer.token(claims(more)))).untilMs, Infinity);
  const stranger = newIssuer();
  for (const token of [
    stranger.token(claims(expired)),
    issuer.token(claims({ ...expired, aud: 'x' })),
    issuer.token(claims({ ...expired, nbf: inSecs(60) })),
  ])
    await assert.rejects(t.tokens.verify(token), { tag: 'unauthorized' });
});

test('a token that was right is not verified again, until it expires', async () => {
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  using t = open({}, clock);
  const token = issuer.token(claims());
  const first = await t.tokens.verify(token);
  assert.equal((await t.tokens.verify(token)).user, first.user);
  ahead = 66_000;
  await assert.rejects(t.tokens.verify(token), { tag: 'unauthorized', message: /"exp"/ });
});

test('whoever names the audience comes before who takes any', async () => {
  using t = openTestTokens({
    any: { ...PROVIDER, client_id: '', user_prefix: 'any' },
    app: PROVIDER,
  });
  const nameFor = async (aud: string) =>
    (await t.tokens.verify(issuer.token(claims({ aud })))).user.name;
  assert.equal(await nameFor('app'), 'us_ann');
  assert.equal(await nameFor('x'), 'any_ann');
});

test('a key that is too short verifies nothing', async () => {
  const short = newIssuer('k1', 'RS256', 1024);
  using t = open({ keys: [short.jwk] });
  await assert.rejects(t.tokens.verify(short.token(claims())), { tag: 'unauthorized' });
});
