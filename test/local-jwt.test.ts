import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { FeedLines } from './helpers/feed-lines.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { refusal, SocketFeed } from './helpers/socket-feed.ts';
import { bearer, inSecs, newIssuer, unsignedToken } from './helpers/tokens.ts';

const issuer = newIssuer();
const PROVIDER = {
  issuer: 'https://id.example.com/',
  client_id: 'app',
  algorithms: ['RS256'],
  keys: [issuer.jwk],
  register: true,
  user_prefix: 'us',
  roles_claim: 'groups',
  channels_claim: 'rooms',
};
const CONFIG = { local_jwt: { ours: PROVIDER }, sync: 'function (doc) { channel(doc.ch); }' };

let gateway: TestGateway;

before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

function newDatabase(name: string, more: object = {}): Promise<TestDatabase> {
  return createDatabase({ urls: gateway }, name, { ...CONFIG, ...more });
}

type Claims = Readonly<Record<string, unknown>>;
const claims = (sub: string, more: Claims = {}) => ({
  iss: PROVIDER.issuer,
  aud: ['other', 'app'],
  sub,
  exp: inSecs(600),
  ...more,
});
const tokenOf = (sub: string, more: Claims = {}) => bearer(issuer.token(claims(sub, more)));

async function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return request('GET', url, { headers });
}

function part(json: JsonValue, name: string): JsonValue {
  return (json as { readonly [key: string]: JsonValue })[name];
}

test('a token writes, reads and follows what its user may have', async () => {
  const db = await newDatabase('reads');
  const headers = tokenOf('ann', { rooms: ['blue'], email: 'ann@example.com' });
  const put = await request('PUT', `${db.public}/d1`, { json: { ch: ['blue'] }, headers });
  assert.equal(put.status, 201, put.text);
  await request('PUT', `${db.admin}/d2`, { json: { ch: ['red'] } });
  assert.equal((await get(`${db.public}/d1`, headers)).status, 200);
  assert.equal((await get(`${db.public}/d2`, headers)).status, 403);
  assert.equal((await get(`${db.public}/`, headers)).status, 200);
  const changes = await get(`${db.public}/_changes`, headers);
  assert.deepEqual(
    (part(changes.json, 'results') as { id: string }[]).map(({ id }) => id),
    ['_user/us_ann', 'd1'],
  );
  await using feed = await SocketFeed.open(`${db.public}/_changes`, { headers, options: {} });
  assert.deepEqual(
    (await feed.backlog()).map(({ id }) => id),
    ['_user/us_ann', 'd1'],
  );
  const user = await get(`${db.admin}/_user/us_ann`);
  const { jwt_last_updated: at, ...told } = user.json as { jwt_last_updated: string };
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
  assert.deepEqual(told, {
    name: 'us_ann',
    email: 'ann@example.com',
    disabled: false,
    all_channels: ['!', 'blue'],
    jwt_issuer: PROVIDER.issuer,
    jwt_channels: ['blue'],
  });
});

test('the next token gives and takes, and an open feed tells of both', async () => {
  const db = await newDatabase('moves');
  for (const ch of ['blue', 'red', 'inner'])
    await request('PUT', `${db.admin}/in-${ch}`, { json: { ch: [ch] } });
  await request('PUT', `${db.admin}/_role/staff`, { json: { admin_channels: ['inner'] } });
  const first = tokenOf('bob', { rooms: 'blue', iat: inSecs(-10) });
  await using feed = await FeedLines.open(
    `${db.public}/_changes?revocations=true&include_docs=true`,
    {
      headers: first,
    },
  );
  await feed.rowOf('in-blue');
  const second = tokenOf('bob', { rooms: ['red'], groups: ['staff'], iat: inSecs(-5) });
  assert.equal((await get(`${db.public}/in-red`, second)).status, 200);
  const rows = [await feed.next(), await feed.next(), await feed.next(), await feed.next()];
  const byId = new Map(rows.map((row) => [row?.id ?? '', row]));
  assert.deepEqual([...byId.keys()].toSorted(), ['_user/us_bob', 'in-blue', 'in-inner', 'in-red']);
  assert.equal(byId.get('in-blue')?.revoked, true);
  assert.deepEqual(Object.keys(byId.get('in-blue')?.doc ?? {}).toSorted(), [
    '_id',
    '_removed',
    '_rev',
  ]);
  assert.equal(byId.get('in-red')?.revoked, undefined);
  assert.deepEqual(part((await get(`${db.admin}/_user/us_bob`)).json, 'jwt_roles'), ['staff']);

  const why = await get(`${db.admin}/_explain?user=us_bob&doc=in-inner`);
  assert.match(why.text, /since \d+ by a token of https:\/\/id\.example\.com\//);

  const third = tokenOf('bob', { rooms: ['red'], iat: inSecs(0) });
  assert.equal((await get(`${db.public}/in-inner`, third)).status, 403);
  assert.equal((await feed.rowOf('in-inner')).revoked, true);
  // The older tokens still let in, but give nothing back.
  assert.equal((await get(`${db.public}/in-blue`, first)).status, 403);
  assert.equal((await get(`${db.public}/in-red`, second)).status, 200);
  assert.equal((await get(`${db.public}/in-inner`, second)).status, 403);
});

test('what is wrong with a token is 401, with the challenge, for every route', async () => {
  const db = await newDatabase('refuses', { guest: { disabled: false } });
  const shared = unsignedToken({ alg: 'HS256', kid: 'k1' }, claims('ann'));
  const pem = issuer.publicKey.export({ format: 'pem', type: 'spki' });
  const good = issuer.token(claims('ann'));
  const wrong: Readonly<Record<string, string>> = {
    issuer: issuer.token(claims('ann', { iss: 'https://id.example.com' })),
    audience: issuer.token(claims('ann', { aud: 'others' })),
    algorithm: issuer.token(claims('ann'), { alg: 'PS256' }),
    none: `${unsignedToken({ alg: 'none' }, claims('ann'))}.`,
    secret: `${shared}.${createHmac('sha256', pem).update(shared).digest('base64url')}`,
    expired: issuer.token(claims('ann', { exp: inSecs(-30) })),
    early: issuer.token(claims('ann', { nbf: inSecs(300) })),
    kid: issuer.token(claims('ann'), { kid: 'k7' }),
    stranger: newIssuer().token(claims('ann')),
    huge: `${good}${'A'.repeat(30_000)}`,
    claims: issuer.token(claims('ann', { rooms: { a: 1 } })),
    name: issuer.token(claims('ann'.repeat(100))),
    empty: '',
    text: 'abc',
  };
  for (const [what, token] of Object.entries(wrong)) {
    const answer = await get(`${db.public}/_all_docs`, bearer(token));
    assert.equal(answer.status, 401, what);
    assert.deepEqual(answer.json, { error: 'Unauthorized', reason: 'invalid login' }, what);
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic/, what);
  }
  assert.equal((await get(`${db.public}/_session`, bearer(wrong['kid'] ?? ''))).status, 401);
  const socket = await refusal(`${db.public}/_changes`, { headers: bearer(wrong['none'] ?? '') });
  assert.equal(socket.status, 401);
  const users = await get(`${db.admin}/_user/`);
  assert.deepEqual(users.json, []);
  assert.equal((await get(`${db.public}/_all_docs`, bearer(good))).status, 200);
  assert.equal((await get(`${db.public}/_all_docs`)).status, 200);
});

test('without register only users that are there are let in, and none that is disabled', async () => {
  const db = await newDatabase('known', { local_jwt: { ours: { ...PROVIDER, register: false } } });
  const headers = tokenOf('eve');
  assert.equal((await get(`${db.public}/`, headers)).status, 401);
  await putUser(db, 'us_eve', {});
  assert.equal((await get(`${db.public}/`, headers)).status, 200);
  const disabled = await request('PUT', `${db.admin}/_user/us_eve`, { json: { disabled: true } });
  assert.equal(disabled.status, 200);
  assert.equal((await get(`${db.public}/`, headers)).status, 401);
});

test('a token makes a session, also where passwords are not taken', async () => {
  const db = await newDatabase('sessions', { disable_password_auth: true });
  const headers = tokenOf('ann');
  for (const body of [{}, { json: { name: 'us_ann' } }]) {
    const made = await request('POST', `${db.public}/_session`, { headers, ...body });
    assert.equal(made.status, 200, made.text);
    assert.equal(part(part(made.json, 'userCtx'), 'name'), 'us_ann');
    const cookie = (made.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    assert.equal((await get(`${db.public}/`, { cookie })).status, 200);
  }
  await putUser(db, 'us_ann', {});
  const byPassword = await request('GET', `${db.public}/`, { as: 'us_ann:letmein' });
  assert.equal(byPassword.status, 401);
  const none = { ours: { ...PROVIDER, disable_session: true } };
  const changed = await request('POST', `${db.admin}/_config`, { json: { local_jwt: none } });
  assert.equal(changed.status, 201, changed.text);
  assert.equal((await request('POST', `${db.public}/_session`, { headers })).status, 403);
  assert.equal((await get(`${db.public}/`, headers)).status, 200);
});

test('another configuration counts at once, for tokens that were let in before too', async () => {
  const db = await newDatabase('changes');
  const headers = tokenOf('ann');
  assert.equal((await get(`${db.public}/`, headers)).status, 200);
  const other = { ours: { ...PROVIDER, keys: [newIssuer().jwk] } };
  await request('POST', `${db.admin}/_config`, { json: { local_jwt: other } });
  assert.equal((await get(`${db.public}/`, headers)).status, 401);
  const shown = await get(`${db.admin}/_config`);
  assert.deepEqual(part(shown.json, 'local_jwt'), other);
  await request('POST', `${db.admin}/_config`, { json: { local_jwt: { ours: null } } });
  const off = await request('PUT', `${db.admin}/_config`, { json: { bucket: 'changes' } });
  assert.equal(off.status, 201, off.text);
  assert.equal((await get(`${db.public}/`, headers)).status, 401);
});

test('keys that are read at a URL: rotation, and a place that cannot be reached', async () => {
  let keys: readonly unknown[] = [issuer.jwk];
  const server = createServer((_request, response) => response.end(JSON.stringify({ keys })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { keys: _, ...without } = PROVIDER;
  const uri = `http://ann:geheim@127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const db = await newDatabase('remote', {
    local_jwt: {
      ours: { ...without, jwks_uri: uri },
      lost: { ...without, issuer: 'lost', jwks_uri: 'http://127.0.0.1:1/jwks' },
    },
  });
  assert.equal((await get(`${db.public}/`, tokenOf('ann'))).status, 200);
  const next = newIssuer('k2');
  keys = [next.jwk];
  assert.equal((await get(`${db.public}/`, bearer(next.token(claims('ann'))))).status, 200);
  // The keys were read anew, so what the former one signed is not remembered either.
  assert.equal((await get(`${db.public}/`, tokenOf('ann'))).status, 401);
  const lost = await get(`${db.public}/`, tokenOf('ann', { iss: 'lost' }));
  assert.equal(lost.status, 503, lost.text);
  const config = await get(`${db.admin}/_config`);
  assert.doesNotMatch(config.text, /geheim/);
  server.closeAllConnections();
  server.close();
});

test('named collections: a channel of the claim holds in each of them', async () => {
  const scopes = { s: { collections: { one: {}, two: {} } } };
  const db = await createDatabase({ urls: gateway }, 'named', {
    scopes,
    local_jwt: { ours: PROVIDER },
  });
  const headers = tokenOf('ann', { rooms: ['one'] });
  for (const name of ['one', 'two'])
    await request('PUT', `${db.admin}.s.${name}/d`, { json: { in: name } });
  assert.equal((await get(`${db.public}.s.one/d`, headers)).status, 200);
  assert.equal((await get(`${db.public}.s.two/d`, headers)).status, 403);
  const user = await get(`${db.admin}/_user/us_ann`);
  assert.deepEqual(part(user.json, 'collection_access'), {
    s: { one: { all_channels: ['!', 'one'] }, two: { all_channels: ['!', 'one'] } },
  });
});
