import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestDatabase } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { refusal, SocketFeed } from './helpers/socket-feed.ts';
import { until } from './helpers/until.ts';

let gateway: TestGateway;
let db: TestDatabase;

before(async () => {
  gateway = await startTestGateway();
  db = await newDatabase('feeds');
  await putUser(db, 'ann', { admin_channels: ['a'] });
});
after(async () => gateway?.[Symbol.asyncDispose]());

function newDatabase(name: string, config: Record<string, unknown> = {}): Promise<TestDatabase> {
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  return createDatabase({ urls }, name, config);
}

async function put(to: TestDatabase, id: string, doc: unknown): Promise<string> {
  const { status, json, text } = await request('PUT', `${to.admin}/${id}`, { json: doc });
  assert.equal(status, 201, text);
  return (json as { rev: string }).rev;
}

const ANN = 'ann:letmein';
const ids = (rows: readonly { id: string }[] | undefined): string[] =>
  (rows ?? []).map(({ id }) => id);

test('tells what was there, an empty array, and then what is new', async () => {
  const rev = await put(db, 'first', { channels: ['a'], n: 1 });
  await put(db, 'hidden', { channels: ['b'] });
  await using feed = await SocketFeed.open(`${db.public}/_changes`, {
    as: ANN,
    options: { include_docs: true },
  });
  const [user, first, ...more] = await feed.backlog();
  assert.equal(user?.id, '_user/ann');
  assert.deepEqual(first?.doc, { _id: 'first', _rev: rev, channels: ['a'], n: 1 });
  assert.deepEqual(more, []);
  await put(db, 'second', { channels: ['a'] });
  assert.deepEqual(ids(await feed.rows()), ['second']);
});

test('administrators have it on their port, from where they stand', async () => {
  const { json } = await request('GET', `${db.admin}/_changes`);
  const { last_seq: since } = json as { last_seq: number };
  await using feed = await SocketFeed.open(`${db.admin}/_changes`, { options: { since } });
  assert.deepEqual(await feed.backlog(), []);
  await put(db, 'third', {});
  assert.deepEqual(ids(await feed.rows()), ['third']);
});

test('the query says what the message leaves open', async () => {
  const url = `${db.admin}/_changes?filter=sync_gateway/bychannel&channels=b&limit=1`;
  await using feed = await SocketFeed.open(url, { options: {} });
  assert.deepEqual(ids(await feed.rows()), ['hidden']);
  assert.equal((await feed.closed).code, 1000);
});

test('options may come as bytes', async () => {
  await using feed = await SocketFeed.open(`${db.admin}/_changes`);
  feed.say(JSON.stringify({ limit: 1 }));
  assert.equal((await feed.rows())?.length, 1);
});

test('compressed, all messages are one gzip stream with an end', async () => {
  for (const asked of [{ accept_encoding: 'gzip' }, { compress: true }]) {
    await using feed = await SocketFeed.open(`${db.admin}/_changes`, {
      options: { ...asked, limit: 2 },
    });
    const rows = JSON.parse(await feed.unzipped()) as { id: string }[];
    assert.deepEqual(ids(rows), ['first', 'hidden']);
    assert.equal((await feed.closed).code, 1000);
  }
});

test('a compressed feed whose time is up has an end too', async () => {
  await using feed = await SocketFeed.open(`${db.admin}/_changes`, {
    options: { compress: true, limit: 3, timeout: 100, since: 1_000_000 },
  });
  assert.deepEqual(JSON.parse(await feed.unzipped()), []);
  assert.equal((await feed.closed).code, 1000);
});

test('a thousand rows come in messages that a small client can take', async () => {
  const many = await newDatabase('many');
  const docs = Array.from({ length: 1000 }, (_, n) => ({ _id: `d${n}` }));
  await request('POST', `${many.admin}/_bulk_docs`, { json: { docs } });
  await using feed = await SocketFeed.open(`${many.admin}/_changes`, { options: {} });
  let count = 0;
  for (;;) {
    const rows = await feed.rows();
    if (rows === undefined || rows.length === 0) break;
    assert.ok(rows.length <= 200, `${rows.length} rows`);
    count += rows.length;
  }
  assert.equal(count, 1000);
});

test('heartbeats are empty messages', async () => {
  await using feed = await SocketFeed.open(`${db.public}/_changes`, {
    as: ANN,
    options: { heartbeat: 1000 },
  });
  await feed.backlog();
  assert.equal(await feed.message(), '');
});

test('a feed with nothing to tell ends at its timeout', async () => {
  await using feed = await SocketFeed.open(`${db.public}/_changes`, {
    as: ANN,
    options: { timeout: 100 },
  });
  await feed.backlog();
  assert.deepEqual(await feed.closed, { code: 1000, reason: '' });
});

test('wrong options close it with what is wrong', async () => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['{bad', /not JSON/],
    ['', /options of the feed/],
    ['[]', /expected object/i],
    [{ limit: 'x' }, /limit/],
    [{ since: 'x' }, /sequence/],
    [{ filter: 'mine' }, /filter/],
    [{ filter: '_doc_ids', doc_ids: ['x'] }, /_doc_ids/],
  ];
  for (const [options, says] of wrong) {
    await using feed = await SocketFeed.open(`${db.admin}/_changes`, { options });
    const { code, reason } = await feed.closed;
    assert.equal(code, 1007, reason);
    assert.match(reason, says);
  }
});

test('options that are too long close it', async () => {
  await using feed = await SocketFeed.open(`${db.admin}/_changes`, {
    options: { channels: 'x'.repeat(2_000_000) },
  });
  assert.equal((await feed.closed).code, 1009);
});

test('who may not read is refused before the handshake', async () => {
  const url = `${db.public}/_changes`;
  assert.equal((await refusal(url)).status, 401);
  assert.equal((await refusal(url, { as: 'ann:wrong' })).status, 401);
  assert.equal((await refusal(`${gateway.public}/nosuch/_changes`, { as: ANN })).status, 401);
  assert.equal((await refusal(`${gateway.admin}/nosuch/_changes`)).status, 404);
  assert.equal((await refusal(`${gateway.admin}/_nosuch`)).status, 404);
});

test('pages of other origins do not get it in the name of their visitor', async () => {
  const open = await newDatabase('shop', {
    guest: { disabled: false },
    cors: { origin: ['https://app.example.com'] },
  });
  const from = (origin: string) => ({ headers: { origin }, options: {} });
  const foreign = from('https://evil.example.com');
  assert.equal((await refusal(`${open.public}/_changes`, foreign)).status, 403);
  assert.equal((await refusal(`${open.admin}/_changes`, foreign)).status, 403);
  for (const origin of ['https://app.example.com', gateway.public]) {
    await using feed = await SocketFeed.open(`${open.public}/_changes`, from(origin));
    assert.deepEqual(ids(await feed.backlog()), ['_user/GUEST']);
  }
  await using native = await SocketFeed.open(`${db.public}/_changes`, { ...foreign, as: ANN });
  assert.ok((await native.backlog()).length > 0);
});

test('it ends with the user that it was opened by', async () => {
  for (const [name, end] of [
    ['bob', () => request('PUT', `${db.admin}/_user/bob`, { json: { disabled: true } })],
    ['cid', () => request('DELETE', `${db.admin}/_user/cid`)],
  ] as const) {
    await putUser(db, name, { admin_channels: ['a'] });
    await using feed = await SocketFeed.open(`${db.public}/_changes`, {
      as: `${name}:letmein`,
      options: {},
    });
    await feed.backlog();
    assert.equal((await end()).status, 200);
    assert.equal((await feed.closed).code, 1008);
  }
});

test('the other feeds end with their user, too', async () => {
  await putUser(db, 'dan', { admin_channels: ['none'] });
  const { json } = await request('GET', `${db.public}/_changes`, { as: 'dan:letmein' });
  const since = (json as { last_seq: number }).last_seq;
  const open = (feed: string): Promise<Response> =>
    fetch(`${db.public}/_changes?feed=${feed}&since=${since}&heartbeat=1000`, {
      headers: { authorization: `Basic ${btoa('dan:letmein')}` },
    });
  const continuous = await open('continuous');
  // NOTE: its answer begins with the first sign of life, so that there is a feed to end.
  const longpoll = await open('longpoll');
  await request('PUT', `${db.admin}/_user/dan`, { json: { disabled: true } });
  assert.equal((await continuous.text()).trim(), '');
  await assert.rejects(longpoll.text());
});

test('it ends when its database stops serving', async () => {
  const gone = await newDatabase('gone', { guest: { disabled: false, admin_channels: ['*'] } });
  await using feed = await SocketFeed.open(`${gone.public}/_changes`, { options: {} });
  await feed.backlog();
  await request('DELETE', `${gone.admin}/`);
  const { code, reason } = await feed.closed;
  assert.equal(code, 1013);
  assert.match(reason, /stops serving/);
});

test('a client that takes nothing holds no rows, and gets them when it does', async () => {
  const slow = await newDatabase('slow', { guest: { disabled: false, admin_channels: ['*'] } });
  const pad = 'x'.repeat(10_000);
  await using feed = await SocketFeed.open(`${slow.public}/_changes`, {
    options: { include_docs: true },
  });
  await feed.backlog();
  feed.pause();
  const before = heldBytes();
  for (let n = 0; n < 20; n++) {
    const docs = Array.from({ length: 100 }, (_, i) => ({ _id: `d${n}-${i}`, pad }));
    const { status } = await request('POST', `${slow.admin}/_bulk_docs`, { json: { docs } });
    assert.equal(status, 201);
  }
  // 20 MB were written: the kernel took some of it, the gateway holds one message. What requests
  // had needed themselves may go a little later.
  const isLet = () => heldBytes() - before < 4_000_000 || undefined;
  await until('the rows to be held by nobody', isLet);
  feed.resume();
  const seen = new Set<string>();
  while (seen.size < 2000) for (const { id } of (await feed.rows()) ?? []) seen.add(id);
});

/** In buffers that somebody still needs. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Buffers are freed beside the program after a collection, at the latest before the next one.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

test('a handshake that is none is a bad request, another upgrade an ordinary request', async () => {
  const ask = async (headers: Record<string, string>): Promise<http.IncomingMessage> => {
    const asked = http.get(`${db.admin}/_changes?feed=websocket`, { headers });
    const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
    response.resume();
    return response;
  };
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  assert.equal((await ask(upgrade)).statusCode, 400);
  const key = { 'sec-websocket-key': btoa('0123456789abcdef') };
  assert.equal((await ask({ ...upgrade, ...key, 'sec-websocket-version': '7' })).statusCode, 400);
  assert.equal((await ask({ connection: 'Upgrade', upgrade: 'h2c' })).statusCode, 400);
  assert.equal((await ask({})).statusCode, 400);
});

test('what is no WebSocket frame closes the connection, and others are served', async () => {
  const { hostname, port } = new URL(gateway.admin);
  const socket = net.connect(Number(port), hostname);
  socket.write(
    'GET /feeds/_changes?feed=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: ${btoa('0123456789abcdef')}\r\n\r\nthis is no frame at all`,
  );
  socket.resume();
  await once(socket, 'close');
  assert.equal((await request('GET', `${gateway.admin}/_ping`)).status, 200);
});

test('clients that say nothing wait without harm to the end of the gateway', async () => {
  const own = await startTestGateway();
  const urls = { public: own.public, admin: own.admin, metrics: own.metrics };
  const quiet = await createDatabase({ urls }, 'quiet', {});
  const feeds = await Promise.all([
    SocketFeed.open(`${quiet.admin}/_changes`),
    SocketFeed.open(`${quiet.admin}/_changes`, { options: {} }),
  ]);
  await feeds[1].backlog();
  await until('the feed is counted', async () => {
    const { text } = await request('GET', `${own.metrics}/metrics`);
    return /num_replications_active\{database="quiet"\} 1/.test(text) ? true : undefined;
  });
  await own[Symbol.asyncDispose]();
  assert.deepEqual(
    (await Promise.all(feeds.map(({ closed }) => closed))).map(({ code }) => code),
    [1001, 1001],
  );
});
