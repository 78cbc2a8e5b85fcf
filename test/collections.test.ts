import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_API } from '../src/rest/admin-api.ts';
import { PUBLIC_API } from '../src/rest/public-api.ts';
import { FeedLines } from './helpers/feed-lines.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// Named collections through the whole gateway: each has documents, a sync function, channels and
// feeds of its own; users, roles and sessions are the database's.

const GOODS = `function(doc, oldDoc) {
  channel(doc.tag);
  if (doc.gives) access(doc.gives, doc.channels);
}`;
const ORDERS = `function(doc, oldDoc) {
  if (!doc._deleted && !doc.total) throw({forbidden: "no total"});
  channel("orders");
}`;
const SCOPES = { shop: { collections: { goods: { sync: GOODS }, orders: { sync: ORDERS } } } };
const ABE = 'abe:letmein';
const BEA = 'bea:letmein';

const object = (json: JsonValue) => json as { readonly [key: string]: JsonValue };
const ids = (json: JsonValue) =>
  (object(json)['results'] as readonly { readonly id: string }[]).map(({ id }) => id);

async function put(url: string, json: unknown, status = 201): Promise<void> {
  const answer = await request('PUT', url, { json });
  assert.equal(answer.status, status, `${url}: ${answer.text}`);
}

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** A database with two collections and users who have some of each, directly and by a role. */
async function createShop(
  { admin }: { readonly admin: string },
  name: string,
  more: object = {},
): Promise<void> {
  await put(`${admin}/${name}/`, { scopes: SCOPES, ...more });
  const access = (collection: string, channel: string) => ({
    collection_access: { shop: { [collection]: { admin_channels: [channel] } } },
  });
  await put(`${admin}/${name}/_role/packer`, access('orders', 'orders'));
  await put(`${admin}/${name}/_user/abe`, { password: 'letmein', ...access('goods', 'fruit') });
  await put(`${admin}/${name}/_user/bea`, { password: 'letmein', admin_roles: ['packer'] });
}

test('two collections: ids, functions, channels, grants and feeds of their own, over a restart', async () => {
  await using folder = await temporaryFolder();
  await using stack = new AsyncDisposableStack();
  let process = stack.use(await runGateway({ dataDir: folder.path }));
  const { admin } = process.urls;
  await createShop(process.urls, 'db');
  await put(`${admin}/db.shop.goods/apple`, { tag: 'fruit', in: 'goods' });
  await put(`${admin}/db.shop.goods/nail`, { tag: 'iron' });
  await put(`${admin}/db.shop.orders/apple`, { total: 1, in: 'orders' });
  await put(`${admin}/db.shop.orders/nail`, {}, 403);
  const loan = await request('PUT', `${admin}/db.goods/loan`, {
    json: { gives: 'abe', channels: ['iron', 'orders'] },
  });
  assert.equal(loan.status, 201);
  await check(process, 'before');

  await process.stop('SIGKILL');
  process = stack.use(await runGateway({ dataDir: folder.path }));
  await check(process, 'after the restart');

  const end = await request('DELETE', `${process.urls.admin}/db.goods/loan`, {
    headers: { 'If-Match': (loan.json as { readonly rev: string }).rev },
  });
  assert.equal(end.status, 200, end.text);
  const nail = await request('GET', `${process.urls.public}/db.goods/nail`, { as: ABE });
  assert.equal(nail.status, 403, 'the grant ended with its document');
});

/** What Abe and Bea may see, and the administrator. */
async function check({ urls }: GatewayProcess, when: string): Promise<void> {
  const see = async (path: string, as: string) =>
    (await request('GET', `${urls.public}/db.${path}`, { as })).status;
  const seen = {
    'goods/apple': [await see('goods/apple', ABE), await see('goods/apple', BEA)],
    'shop.goods/nail': [await see('shop.goods/nail', ABE), await see('shop.goods/nail', BEA)],
    'orders/apple': [await see('orders/apple', ABE), await see('orders/apple', BEA)],
    'shop.orders/nail': [await see('shop.orders/nail', ABE), await see('shop.orders/nail', BEA)],
  };
  assert.deepEqual(
    seen,
    {
      'goods/apple': [200, 403],
      'shop.goods/nail': [200, 403],
      'orders/apple': [403, 200],
      'shop.orders/nail': [404, 404],
    },
    when,
  );
  const feed = async (collection: string, as: string) => {
    const url = `${urls.public}/db.${collection}/_changes`;
    return ids((await request('GET', url, { as })).json).toSorted();
  };
  assert.deepEqual(await feed('goods', ABE), ['_user/abe', 'apple', 'nail'], when);
  assert.deepEqual(await feed('orders', ABE), ['_user/abe'], when);
  assert.deepEqual(await feed('goods', BEA), ['_user/bea'], when);
  assert.deepEqual(await feed('shop.orders', BEA), ['_user/bea', 'apple'], when);
  const bodies = await Promise.all(
    ['goods', 'orders'].map((name) => request('GET', `${urls.admin}/db.${name}/apple`)),
  );
  assert.deepEqual(
    bodies.map(({ json }) => object(json)['in']),
    ['goods', 'orders'],
    when,
  );
  const { json } = await request('GET', `${urls.admin}/db/_user/abe`);
  const goods = { admin_channels: ['fruit'], all_channels: ['!', 'fruit', 'iron', 'orders'] };
  assert.deepEqual(
    object(json)['collection_access'],
    { shop: { goods, orders: { all_channels: ['!'] } } },
    when,
  );
  const config = await request('GET', `${urls.admin}/db/_config`);
  assert.deepEqual(object(config.json)['scopes'], SCOPES, when);
}

test('a feed of a collection wakes for its own changes, and for access to it', async () => {
  const { admin, public: clients } = gateway;
  await createShop(gateway, 'feeds');
  await using goods = await FeedLines.open(`${clients}/feeds.goods/_changes`, { as: ABE });
  await using orders = await FeedLines.open(`${clients}/feeds.orders/_changes`, { as: ABE });
  assert.equal((await goods.next())?.id, '_user/abe');
  assert.equal((await orders.next())?.id, '_user/abe');
  await put(`${admin}/feeds.orders/both`, { total: 1 });
  await put(`${admin}/feeds.goods/iron`, { tag: 'iron' });
  await put(`${admin}/feeds.goods/both`, { tag: 'fruit' });
  assert.equal((await goods.next())?.id, 'both');
  // In the other collection a grant of that name is nothing.
  await put(`${admin}/feeds.goods/gives`, { gives: 'abe', channels: ['orders'] });
  await put(`${admin}/feeds.goods/last`, { tag: 'fruit' });
  assert.equal((await goods.rowOf('last')).id, 'last');
  await put(`${admin}/feeds/_user/abe`, { admin_roles: ['packer'] }, 200);
  const row = await orders.next();
  assert.equal((row?.id === '_user/abe' ? await orders.next() : row)?.id, 'both');
});

test('the session tells no channels of named collections, and opens each of them', async () => {
  const { admin, public: clients } = gateway;
  await createShop(gateway, 'sessions');
  await put(`${admin}/sessions.goods/apple`, { tag: 'fruit' });
  const login = await request('POST', `${clients}/sessions/_session`, {
    json: { name: 'abe', password: 'letmein' },
  });
  assert.deepEqual(object(login.json)['userCtx'], { channels: { '!': 1 }, name: 'abe' });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  for (const [path, status] of [
    ['sessions.shop.goods/apple', 200],
    ['sessions.shop.orders/apple', 404],
    ['sessions/_session', 200],
    ['sessions.goods/_session', 400],
  ] as const) {
    const answer = await request('GET', `${clients}/${path}`, { headers: { cookie } });
    assert.equal(answer.status, status, path);
  }
});

test('every endpoint of a collection takes its keyspace; the bare database only what is of all', async () => {
  const anyone = { guest: { disabled: false } };
  await createShop(gateway, 'keys', anyone);
  const ports = [
    [gateway.admin, ADMIN_API],
    [gateway.public, PUBLIC_API],
  ] as const;
  for (const [url, routes] of ports) {
    for (const { method, path, whileOffline, ofAll } of routes) {
      const ask = async (keyspace: string) => {
        const filled = path.replace(/\{(?:db|keyspace)\}/, keyspace).replaceAll(/\{\w+\}/g, 'none');
        const { status, text } = await request(method, `${url}${filled}`);
        return { status, text, filled: `${method} ${filled}` };
      };
      if (path.startsWith('/{keyspace}') && !path.includes('_design')) {
        for (const absent of [
          ...(ofAll === true ? [] : ['keys']),
          'keys.nosuch',
          'keys.shop.nosuch',
          'keys.other.goods',
          'keys.',
        ]) {
          const { status, text, filled } = await ask(absent);
          assert.equal(status, 404, `${filled}: ${text}`);
          assert.match(text, /has no .*collection/, filled);
        }
        for (const there of ['keys.goods', 'keys.shop.goods']) {
          const { text, filled } = await ask(there);
          assert.doesNotMatch(text, /unknown URL|has no .*collection/, filled);
        }
      } else if (path.startsWith('/{db}') && !whileOffline) {
        const { status, filled } = await ask('keys.shop.goods');
        assert.equal(status, 400, filled);
      }
    }
  }
});

test('databases share a bucket as long as they share no collection', async () => {
  const { admin } = gateway;
  const create = (name: string, collections?: Readonly<Record<string, object>>) =>
    request('PUT', `${admin}/${name}/`, {
      json: {
        bucket: 'shared',
        guest: { disabled: false },
        ...(collections && { scopes: { s: { collections } } }),
      },
    });
  const both = await Promise.all([
    create('one', { a: {}, b: {} }),
    create('two', { b: {}, c: {} }),
  ]);
  assert.deepEqual(
    both.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 409],
  );
  assert.match(both.find(({ status }) => status === 409)?.text ?? '', /serves the collection s\.b/);
  const [first, other] = both[0].status === 201 ? ['one', 'c'] : ['two', 'a'];
  assert.equal((await create('three', { [other]: {} })).status, 201);
  assert.equal((await create('four')).status, 201);
  assert.equal((await create('five')).status, 409);
  for (const keyspace of [`${first}.b`, `three.${other}`, 'four'])
    await put(`${admin}/${keyspace}/d`, { in: keyspace });
  // The name of a user in one database is nobody's in another.
  await put(`${admin}/four/_user/ann`, { password: 'letmein', admin_channels: ['*'] });
  const ann = { as: 'ann:letmein' };
  assert.equal((await request('GET', `${gateway.public}/four/d`, ann)).status, 200);
  assert.equal((await request('GET', `${gateway.public}/three.${other}/d`, ann)).status, 401);
  assert.deepEqual(ids((await request('GET', `${admin}/${first}.b/_changes`)).json), ['d']);
  assert.equal((await request('DELETE', `${admin}/${first}/`)).status, 200);
  assert.equal((await create('six', { b: {} })).status, 201);
  const kept = await request('GET', `${admin}/six.b/d`);
  assert.deepEqual(object(kept.json)['in'], `${first}.b`, 'documents are the bucket’s');
});

test('documents expire in every collection', async () => {
  const { admin } = gateway;
  await createShop(gateway, 'expiring');
  for (const name of ['goods', 'orders'])
    await put(`${admin}/expiring.${name}/soon`, { _exp: 1, total: 1, tag: 'fruit' });
  for (const name of ['goods', 'orders'])
    await until(`the document in ${name} is a tombstone`, async () => {
      const { text } = await request('GET', `${admin}/expiring.${name}/soon`);
      return text.includes('deleted') || undefined;
    });
  assert.deepEqual(ids((await request('GET', `${admin}/expiring.orders/_changes`)).json), ['soon']);
});
