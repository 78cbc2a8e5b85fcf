import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { FeedLines } from './helpers/feed-lines.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// Databases that go offline and online and get other configurations, through the whole gateway.

const GUEST = { disabled: false, admin_channels: ['*'] };
const object = (json: JsonValue) => json as { readonly [key: string]: JsonValue };
const text = (json: JsonValue): string => (typeof json === 'string' ? json : JSON.stringify(json));
const channelTo = (name: string): string => `function(doc) { channel("${name}"); }`;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(() => gateway[Symbol.asyncDispose]());

async function create(name: string, config: object = {}): Promise<void> {
  const json = { guest: GUEST, ...config };
  const { status, text } = await request('PUT', `${gateway.admin}/${name}/`, { json });
  assert.equal(status, 201, text);
}

const post = (path: string, json?: unknown): Promise<Answer> =>
  request('POST', `${gateway.admin}/${path}`, json === undefined ? {} : { json });
const stateOf = async (name: string) =>
  object((await request('GET', `${gateway.admin}/${name}/?verbose=true`)).json);

/** A PUT of which the end is not sent yet. */
async function halfSent(path: string): Promise<http.ClientRequest> {
  const put = http.request(`${gateway.public}/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', expect: '100-continue' },
  });
  put.flushHeaders();
  await once(put, 'continue');
  put.write('{"from":');
  return put;
}

async function statusOf(put: http.ClientRequest): Promise<number | undefined> {
  const [response] = (await once(put, 'response')) as [http.IncomingMessage];
  response.resume();
  return response.statusCode;
}

test('another configuration acts at once; what is open ends whole, and other databases go on', async () => {
  await create('live', { sync: channelTo('one') });
  await create('calm');
  const { public: clients, admin } = gateway;
  await request('PUT', `${admin}/live/d1`, { json: {} });
  const { json } = await request('GET', `${clients}/live/_changes`);
  const since = text(object(json)['last_seq']);
  const longpoll = request('GET', `${clients}/live/_changes?feed=longpoll&since=${since}`);
  await using continuous = await FeedLines.open(`${clients}/live/_changes?since=${since}`);
  await using elsewhere = await FeedLines.open(`${clients}/calm/_changes?since=0`);
  const put = await halfSent('live/d2');
  const changed = await request('PUT', `${admin}/live/_config/sync`, {
    body: channelTo('two'),
    headers: { 'content-type': 'application/javascript' },
  });
  assert.equal(changed.status, 200, changed.text);
  const told = await longpoll;
  assert.deepEqual([told.status, object(told.json)['results']], [200, []]);
  assert.equal(await continuous.next(), undefined, 'it ends');
  await request('PUT', `${admin}/live/d3`, { json: {} });
  put.end('"before"}');
  assert.equal(await statusOf(put), 201, 'a request that is open is answered');
  const two = await request(
    'GET',
    `${clients}/live/_changes?filter=sync_gateway/bychannel&channels=two`,
  );
  const ids = (object(two.json)['results'] as { id: string }[]).map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id) => id.startsWith('d')).toSorted(),
    ['d2', 'd3'],
    'nothing that is written from then on is judged by the old function',
  );
  await request('PUT', `${admin}/calm/d`, { json: {} });
  assert.equal((await elsewhere.rowOf('d')).id, 'd', 'the other database never noticed');
});

test('what is not answered within offline_drain_secs is cut off', async () => {
  await create('slow', { offline_drain_secs: 1 });
  const put = await halfSent('slow/d');
  const cut = once(put, 'error');
  const offline = post('slow/_offline');
  await until('it is stopping', async () =>
    (await stateOf('slow'))['state'] === 'Stopping' ? true : undefined,
  );
  assert.equal((await post('slow/_online')).status, 503);
  assert.equal((await request('GET', `${gateway.public}/slow/d`)).status, 503);
  assert.equal((await offline).status, 200);
  await cut;
  assert.equal((await stateOf('slow'))['state'], 'Offline');
  assert.equal((await post('slow/_online')).status, 200);
  assert.equal((await request('GET', `${gateway.public}/slow/d`)).status, 404);
});

test('the state is told with since when and why, and so is an online that waits for its time', async () => {
  await create('told');
  await post('told/_offline');
  const offline = await stateOf('told');
  assert.equal(offline['state_reason'], 'an administrator took it offline');
  const refused = await request('GET', `${gateway.public}/told/d`);
  assert.equal(refused.status, 503);
  assert.equal(
    object(refused.json)['reason'],
    `the database is offline since ${text(offline['state_since'])}`,
  );
  const stranger = await request('GET', `${gateway.public}/told/?verbose=true`);
  assert.equal(object(stranger.json)['state'], 'Offline');
  assert.equal(object(stranger.json)['state_reason'], undefined, 'why is the administrators’');
  assert.equal((await post('told/_online', { delay: 3600 })).status, 200);
  const inMs = Date.parse(text((await stateOf('told'))['online_at'])) - Date.now();
  assert.ok(inMs > 3_590_000 && inMs <= 3_600_000, String(inMs));
  for (const delay of ['soon', -1, 1e9, [], true])
    assert.equal((await post('told/_online', { delay })).status, 400, JSON.stringify(delay));
  assert.equal((await post('told/_online', { dealy: 5 })).status, 400, 'no delay is meant');
  assert.equal((await post('told/_offline')).status, 200);
  assert.equal((await stateOf('told'))['online_at'], undefined, '_offline gives it up');
  assert.equal((await post('told/_online', { delay: 0.05 })).status, 200);
  await until('it comes online', async () =>
    (await stateOf('told'))['state'] === 'Online' ? true : undefined,
  );
});

test('a configuration is taken as JSON, a function as JavaScript, and If-Match guards both', async () => {
  await create('typed', { revs_limit: 30 });
  const config = `${gateway.admin}/typed/_config`;
  const typed = (type: string) => ({ 'content-type': type });
  for (const [method, url, type, body, status] of [
    ['POST', config, 'text/plain', '{}', 415],
    ['PUT', config, 'application/javascript', '{}', 415],
    ['POST', config, 'application/json', '', 400],
    ['POST', config, 'application/json', '{"a":1,"a":', 400],
    ['PUT', `${config}/sync`, 'application/json', channelTo('a'), 415],
    ['PUT', `${config}/sync`, 'text/javascript', channelTo('a'), 200],
    ['PUT', `${config}/sync`, 'application/javascript', 'channel(', 400],
    ['PUT', `${config}/import_filter`, 'application/javascript', 'function(', 400],
    ['PUT', `${config}/import_filter`, 'application/javascript', 'function() {}', 200],
    ['PUT', `${config}/import_filter`, 'application/javascript', '', 200],
  ] as const) {
    const answer = await request(method, url, { body, headers: typed(type) });
    assert.equal(answer.status, status, `${method} ${url} ${type} ${body}: ${answer.text}`);
  }
  const { headers } = await request('GET', config);
  const etag = headers.get('etag') ?? '';
  assert.equal((await request('GET', `${config}/sync`)).headers.get('etag'), etag);
  const change = (tag: string) =>
    request('POST', config, { json: { revs_limit: 31 }, headers: { 'if-match': tag } });
  for (const [tag, status] of [
    ['"0"', 412],
    [`"0", ${etag}`, 201],
    [etag, 412],
    ['*', 201],
  ] as const)
    assert.equal((await change(tag)).status, status, tag);
  const deleted = await request('DELETE', `${config}/sync`, { headers: { 'if-match': etag } });
  assert.equal(deleted.status, 412);
  assert.equal((await request('GET', `${config}/sync`)).text, channelTo('a'));
});

test('all that is wrong is told at once, functions and forbidden addresses too', async () => {
  await create('right');
  const hooks = (url: string) => ({ document_changed: [{ handler: 'webhook', url }] });
  const wrong = {
    revs_limit: 0,
    sync: 'function (',
    event_handlers: hooks('http://[fe80::1]/'),
  };
  for (const [method, path] of [
    ['PUT', 'wrong/'],
    ['POST', 'right/_config'],
  ] as const) {
    const { status, text: told } = await request(method, `${gateway.admin}/${path}`, {
      json: wrong,
    });
    assert.equal(status, 400, told);
    for (const part of [
      /revs_limit: must be a whole number of at least 1, is 0/u,
      /sync: sync function, line 1/u,
      /event_handlers\.document_changed\[0\]\.url: names fe80::1, a link-local address/u,
    ])
      assert.match(told, part);
  }
  const { status } = await post('right/_config', { event_handlers: hooks('http://169.254.1.1/') });
  assert.equal(status, 400);
  assert.equal((await stateOf('right'))['state'], 'Online');
});

test('a database that is deleted in the middle of a request forgets it, and comes again empty-handed', async () => {
  await create('gone', { offline_drain_secs: 60, bucket: 'gone' });
  const put = await halfSent('gone/d');
  const deleted = request('DELETE', `${gateway.admin}/gone/`);
  await until('it is gone', async () =>
    (await request('GET', `${gateway.admin}/gone/`)).status === 404 ? true : undefined,
  );
  await create('gone', { bucket: 'gone' });
  put.end('1}');
  assert.equal(await statusOf(put), 201);
  assert.equal((await deleted).status, 200);
  assert.equal((await request('GET', `${gateway.public}/gone/d`)).status, 200);
});

test('offline lasts over a restart, and a change that is cut short is there whole or not at all', async () => {
  await using folder = await temporaryFolder();
  let acknowledged = 0;
  for (let round = 0; round < 3; round++) {
    await using node = await runGateway({ dataDir: folder.path });
    const { admin } = node.urls;
    if (round === 0) {
      for (const name of ['kept', 'changed'])
        await request('PUT', `${admin}/${name}/`, { json: { guest: GUEST, revs_limit: 1000 } });
      assert.equal((await request('POST', `${admin}/kept/_offline`)).status, 200);
    }
    const { json } = await request('GET', `${admin}/kept/`);
    assert.equal(object(json)['state'], 'Offline');
    const config = object((await request('GET', `${admin}/changed/_config`)).json);
    const found = Number(config['revs_limit']) - 1000;
    assert.ok(found === acknowledged || found === acknowledged + 1, `${found}, ${acknowledged}`);
    assert.equal(config['sync'] ?? channelTo('c0'), channelTo(`c${found}`));
    acknowledged = found;
    const killed = Promise.withResolvers<void>();
    setTimeout(() => void node.stop('SIGKILL').then(() => killed.resolve()), 150 + 70 * round);
    for (;;) {
      const next = acknowledged + 1;
      const patch = { revs_limit: 1000 + next, sync: channelTo(`c${next}`) };
      const answer = await request('POST', `${admin}/changed/_config`, { json: patch }).catch(
        () => undefined, // the gateway is gone, as it was to be
      );
      if (answer === undefined) break;
      assert.equal(answer.status, 201, answer.text);
      acknowledged = next;
    }
    await killed.promise;
  }
});
