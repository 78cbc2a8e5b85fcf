import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { Answer } from './helpers/http.ts';
import { until } from './helpers/until.ts';

/** Cross-origin requests and session cookies, beyond what the transcripts of a reference show. */

const SHOP = 'https://shop.example.com';
const DESK = 'capacitor://localhost';
const LOGIN = 'https://login.example.com';
const EVIL = 'https://evil.example.com';

let gateway: TestGateway;
let plain: TestDatabase;
let own: TestDatabase;
let none: TestDatabase;

before(async () => {
  gateway = await startTestGateway({
    api: { cors: { origin: [SHOP, DESK], login_origin: [LOGIN], headers: ['X-A'], max_age: 5 } },
  });
  plain = await newDatabase('plain', {});
  own = await newDatabase('own', { cors: { origin: ['*'] } });
  none = await newDatabase('none', { cors: {} });
});
after(async () => gateway?.[Symbol.asyncDispose]());

async function newDatabase(name: string, config: object): Promise<TestDatabase> {
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const made = await createDatabase({ urls }, name, { guest: { disabled: false }, ...config });
  await putUser(made, 'ann', {});
  return made;
}

const get = (url: string, origin: string): Promise<Answer> =>
  request('GET', url, { headers: { origin } });
const allowed = ({ headers }: Answer): string | null => headers.get('access-control-allow-origin');

test('the rules of the server hold for what has none of its own', async () => {
  for (const url of [`${gateway.public}/`, `${plain.public}/`, `${gateway.public}/nosuch/`]) {
    for (const origin of [SHOP, DESK]) {
      const answer = await get(url, origin);
      assert.equal(allowed(answer), origin);
      assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
      assert.equal(answer.headers.get('access-control-allow-headers'), 'X-A');
      assert.match(answer.headers.get('vary') ?? '', /Origin/);
    }
    assert.equal(allowed(await get(url, EVIL)), '');
  }
});

test('the rules of a database replace those of the server, empty ones too', async () => {
  assert.equal(allowed(await get(`${own.public}/`, EVIL)), '*');
  assert.equal(allowed(await get(`${none.public}/`, SHOP)), '');
});

test('a preflight tells the methods, and how long that holds, to allowed origins alone', async () => {
  const ask = (origin: string): Promise<Answer> =>
    request('OPTIONS', `${plain.public}/doc`, { headers: { origin } });
  const { status, headers } = await ask(SHOP);
  assert.equal(status, 204);
  assert.equal(headers.get('access-control-allow-methods'), 'GET, HEAD, PUT, DELETE');
  assert.equal(headers.get('access-control-max-age'), '5');
  assert.equal(headers.get('allow'), 'GET, HEAD, PUT, DELETE');
  const refused = await ask(EVIL);
  assert.equal(refused.status, 204);
  assert.equal(refused.headers.get('access-control-allow-methods'), null);
});

test('errors, streams and large answers carry the headers, too', async () => {
  const json = { pad: 'x'.repeat(5000) };
  await request('PUT', `${plain.admin}/large`, { json: { ...json, channels: ['!'] } });
  const large = await get(`${plain.public}/large`, SHOP);
  assert.equal(allowed(large), SHOP);
  assert.match(large.headers.get('vary') ?? '', /Origin, Accept-Encoding/);
  assert.equal(allowed(await get(`${plain.public}/missing`, SHOP)), SHOP);
  assert.equal(allowed(await get(`${plain.public}/_changes`, SHOP)), SHOP);
  const wrong = await request('GET', `${plain.public}/large`, {
    headers: { origin: SHOP },
    as: 'ann:wrong',
  });
  assert.deepEqual([wrong.status, allowed(wrong)], [401, SHOP]);
});

test('pages log in from login origins and from the gateway itself', async () => {
  const login = (url: string, origin: string | undefined): Promise<Answer> =>
    request('POST', `${url}/_session`, {
      json: { name: 'ann', password: 'letmein' },
      headers: origin === undefined ? {} : { origin },
    });
  const good = await login(plain.public, LOGIN);
  assert.deepEqual([good.status, allowed(good)], [200, LOGIN]);
  assert.equal((await login(plain.public, gateway.public)).status, 200);
  assert.equal((await login(plain.public, undefined)).status, 200);
  for (const origin of [SHOP, EVIL, 'null'])
    assert.equal((await login(plain.public, origin)).status, 400, origin);
  assert.equal((await login(own.public, LOGIN)).status, 400);
  const out = await request('DELETE', `${plain.public}/_session`, { headers: { origin: EVIL } });
  assert.equal(out.status, 400);
});

test('the admin port says nothing to pages', async () => {
  const { headers } = await get(`${plain.admin}/`, SHOP);
  assert.equal(headers.get('access-control-allow-origin'), null);
  assert.equal(headers.get('vary'), null);
});

test('origins that would never match are refused', async () => {
  for (const origin of [
    'https://a.example.com/',
    'a.example.com',
    'https://a.example.com/x',
    ' ',
  ]) {
    const { status, text } = await request('PUT', `${gateway.admin}/wrong/`, {
      json: { cors: { origin: [origin] } },
    });
    assert.equal(status, 400);
    assert.match(text, /cors\.origin: must be a list, each of it an origin/);
  }
});

test('a session that gets a new lifetime brings its cookie again', async () => {
  const made = await request('POST', `${plain.admin}/_session`, { json: { name: 'ann', ttl: 3 } });
  const { session_id: id } = made.json as { session_id: string };
  const cookie = `SyncGatewaySession=${id}`;
  for (const path of ['_changes', '_session']) {
    const sent = await until('the cookie', async () => {
      const { headers } = await request('GET', `${plain.public}/${path}`, { headers: { cookie } });
      return headers.get('set-cookie') ?? undefined;
    });
    assert.match(sent, new RegExp(`^${cookie}; Path=/plain; Expires=.* GMT; HttpOnly`));
  }
});
