import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { inSecs, newIssuer } from '../../test/helpers/tokens.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { openTestTokens } from './test-tokens.ts';

const MINUTE_MS = 60_000;
const [one, two] = [newIssuer('one'), newIssuer('two')];
const claims = { iss: 'i', aud: 'app', sub: 'ann', exp: inSecs(30 * 24 * 3600) };
const unauthorized = { tag: 'unauthorized' };
const unavailable = { tag: 'unavailable' };

/** What the server answers, and how often it was asked. */
let answer: { status: number; body: unknown; headers?: Record<string, string> };
let asked = 0;
const server = createServer((_request, response) => {
  asked += 1;
  response.writeHead(answer.status, answer.headers);
  response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
});
let url: string;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
beforeEach(() => {
  asked = 0;
  answer = { status: 200, body: { keys: [one.jwk] } };
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function open() {
  const clock = new DrivenClock(Date.now());
  const provider = { issuer: 'i', client_id: 'app', algorithms: ['RS256'], jwks_uri: url };
  const t = openTestTokens({ p: provider }, clock);
  const verify = async (issuer = one, header = {}) =>
    (await t.tokens.verify(issuer.token(claims, header))).user.name;
  return { ...t, clock, verify };
}

test('the keys are read once for all who need them', async () => {
  using t = open();
  const names = await Promise.all([t.verify(), t.verify(), t.verify(one, { typ: 'x' })]);
  assert.deepEqual(names, ['i_ann', 'i_ann', 'i_ann']);
  await t.verify(one, { cty: 'other' });
  assert.equal(asked, 1);
});

test('a key that is not there is looked for anew, ever more rarely while it is not found', async () => {
  using t = open();
  await t.verify();
  answer.body = { keys: [one.jwk, two.jwk] };
  assert.equal(await t.verify(two), 'i_ann');
  assert.equal(asked, 2);
  const nobody = newIssuer('nobody');
  await assert.rejects(Promise.all([t.verify(nobody), t.verify(nobody)]), unauthorized);
  assert.equal(asked, 3);
  const askedAfter: number[] = [];
  for (const waitMs of [0, 999, 1, 1999, 1, 3999, 1]) {
    t.clock.advance(waitMs);
    await assert.rejects(t.verify(nobody), unauthorized);
    askedAfter.push(asked);
  }
  assert.deepEqual(askedAfter, [3, 3, 4, 4, 5, 5, 6]);
  for (let i = 0; i < 10; i += 1) {
    t.clock.advance(MINUTE_MS);
    await assert.rejects(t.verify(nobody), unauthorized);
  }
  assert.equal(asked, 16);
  assert.equal(await t.verify(two), 'i_ann');
});

test('a key that is gone verifies nothing more once the keys are read anew', async () => {
  using t = open();
  answer.body = { keys: [one.jwk, two.jwk] };
  await t.verify();
  answer.body = { keys: [two.jwk] };
  t.clock.advance(9 * MINUTE_MS);
  await t.verify();
  assert.equal(asked, 1);
  t.clock.advance(2 * MINUTE_MS);
  await t.verify(two);
  for (let tries = 0; tries < 1000 && asked < 2; tries += 1)
    await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(async () => {
    for (let tries = 0; tries < 1000; tries += 1) {
      await t.verify();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }, unauthorized);
});

test('without keys a login is told to come later; with them an unreachable place is no matter', async () => {
  using t = open();
  answer.status = 500;
  await assert.rejects(t.verify(), unavailable);
  await assert.rejects(t.verify(), unavailable);
  assert.equal(asked, 1);
  answer.status = 200;
  t.clock.advance(1000);
  await t.verify();
  answer.status = 500;
  t.clock.advance(60 * MINUTE_MS);
  assert.equal(await t.verify(), 'i_ann');
  assert.equal(await t.verify(one, { typ: 'new' }), 'i_ann');
  t.clock.advance(23 * 60 * MINUTE_MS);
  await assert.rejects(t.verify(), unavailable);
  answer.status = 200;
  t.clock.advance(MINUTE_MS);
  assert.equal(await t.verify(), 'i_ann');
});

test('what is no set of keys is none, and keys of other purposes are passed over', async () => {
  const wrong = ['', '{', '[]', '{"keys": 1}', 'x'.repeat(300_000)];
  for (const body of wrong) {
    using t = open();
    answer.body = body;
    await assert.rejects(t.verify(), unavailable, body.slice(0, 20));
  }
  answer = { status: 302, body: '', headers: { location: 'http://127.0.0.2:1/' } };
  using elsewhere = open();
  await assert.rejects(elsewhere.verify(), unavailable);
  answer = { status: 200, body: { keys: [] } };
  using none = open();
  await assert.rejects(none.verify(), unauthorized);
  const oct = { kty: 'oct', k: 'AAAA', kid: 'one' };
  const keys = [null, 7, {}, oct, { ...two.jwk, use: 'enc' }, newIssuer('e', 'ES256').jwk, one.jwk];
  answer = { status: 200, body: { keys } };
  using t = open();
  assert.equal(await t.verify(), 'i_ann');
  await assert.rejects(t.verify(two), unauthorized);
});

test('nobody waits for keys when the database is closed', async () => {
  const silent = createServer(() => undefined);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const provider = { issuer: 'i', client_id: 'app', algorithms: ['RS256'] };
  const jwks = { ...provider, jwks_uri: `http://127.0.0.1:${port}/` };
  const t = openTestTokens({ p: jwks });
  const waiting = assert.rejects(t.tokens.verify(one.token(claims)), unavailable);
  await once(silent, 'request');
  t[Symbol.dispose]();
  await waiting;
  silent.closeAllConnections();
  silent.close();
});
