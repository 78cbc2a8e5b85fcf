import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, putUser } from './helpers/database.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { PouchClient } from './helpers/pouch-client.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// What an administrator does to a running gateway while the applications of two databases sync:
// `first`, which is worked on, and `calm`, which never notices. The tests follow one another.

const object = (json: JsonValue) => json as { readonly [key: string]: JsonValue };
const channelTo = (name: string): string => `function (doc) { channel("${name}", doc.channels); }`;

const open = new AsyncDisposableStack();
let gateway: GatewayProcess;
/** Two of each database; every one of them writes `written` documents. */
let clients: Readonly<Record<'first' | 'calm', readonly [PouchClient, PouchClient]>>;
let written = 0;

before(async () => {
  const folder = open.use(await temporaryFolder());
  gateway = open.use(await runGateway({ dataDir: folder.path }));
});
after(() => open.disposeAsync());

const send = (method: string, path: string, json?: unknown): Promise<Answer> =>
  request(method, `${gateway.urls.admin}/${path}`, json === undefined ? {} : { json });

/** The second one changes nothing and succeeds. */
async function postTwice(path: string, json?: unknown): Promise<void> {
  for (let n = 0; n < 2; n++) {
    const { status, text } = await send('POST', path, json);
    assert.equal(status, 200, `${path}: ${text}`);
  }
}

const stateOf = async (name: string): Promise<JsonValue> =>
  object((await send('GET', `${name}/`)).json)['state'];

async function clientOf(database: string, name: string): Promise<PouchClient> {
  const { admin, public: clientPort } = gateway.urls;
  await putUser({ admin: `${admin}/${database}` }, name, { admin_channels: ['one', 'two'] });
  const url = `${clientPort}/${database}`;
  const client = open.use(new PouchClient({ name, url, as: `${name}:${PASSWORD}` }));
  client.startSync();
  return client;
}

/** Everyone writes; who is cut off keeps it for later. */
async function write(): Promise<void> {
  written += 1;
  for (const { local, name } of [...clients.first, ...clients.calm])
    await local.put({ _id: `${name}-${written}`, channels: [] });
}

async function untilSynced(database: 'first' | 'calm'): Promise<void> {
  for (const { watch } of clients[database])
    await watch.until('what both wrote', ({ size }) => size === 2 * written);
}

test('databases are created offline, also with the body of an older release, and brought online', async () => {
  const users = { GUEST: { disabled: false, admin_channels: ['*'] } };
  const sync = channelTo('one');
  for (const [name, json] of [
    ['first', { offline: true, sync }],
    ['calm', { sync }],
    ['older', { bucket: 'bucket-1', users, offline: true }],
  ] as const) {
    const { status, text } = await send('PUT', `${name}/`, json);
    assert.equal(status, 201, text);
    assert.equal((await send('PUT', `${name}/`, json)).status, 412);
  }
  for (const name of ['first', 'older']) {
    assert.equal(await stateOf(name), 'Offline');
    assert.equal(object((await send('GET', `${name}/_config`)).json)['offline'], true);
    assert.equal((await send('PUT', `${name}/d`, {})).status, 503);
    await postTwice(`${name}/_online`);
    assert.equal(await stateOf(name), 'Online');
  }
  assert.equal((await request('GET', `${gateway.urls.public}/older/`)).status, 200, 'the guest');
  clients = {
    first: [await clientOf('first', 'ann'), await clientOf('first', 'bob')],
    calm: [await clientOf('calm', 'cat'), await clientOf('calm', 'dan')],
  };
  await write();
  await untilSynced('first');
  await untilSynced('calm');
});

test('a configuration that is changed while it is offline acts when it is back', async () => {
  await postTwice('first/_offline');
  await write();
  await untilSynced('calm');
  const changed = await request('PUT', `${gateway.urls.admin}/first/_config/sync`, {
    body: channelTo('two'),
    headers: { 'content-type': 'application/javascript' },
  });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(await stateOf('first'), 'Offline');
  await postTwice('first/_online');
  await write();
  await untilSynced('first');
  const raw = await send('GET', `first/_raw/ann-${written}`);
  assert.match(raw.text, /"two"/);
  assert.doesNotMatch(raw.text, /"one"/);
});

test('several come online at one moment', async () => {
  for (const name of ['first', 'older']) {
    await postTwice(`${name}/_offline`);
    await postTwice(`${name}/_online`, { delay: 1 });
    const { state, online_at: at } = object((await send('GET', `${name}/`)).json);
    assert.deepEqual([state, typeof at], ['Offline', 'string']);
  }
  await write();
  await untilSynced('calm');
  for (const name of ['first', 'older'])
    await until(`${name} is online`, async () =>
      (await stateOf(name)) === 'Online' ? true : undefined,
    );
});

test('offline that is asked for while it comes online is honoured after that', async () => {
  await postTwice('first/_offline');
  const [online, offline] = await Promise.all([
    send('POST', 'first/_online'),
    send('POST', 'first/_offline'),
  ]);
  assert.deepEqual([online.status, offline.status], [200, 200]);
  assert.equal(await stateOf('first'), 'Offline');
  await postTwice('first/_online');
});

test('no client has lost or repeated anything, and the other database never noticed', async () => {
  await write();
  for (const database of ['first', 'calm'] as const) {
    await untilSynced(database);
    const { json } = await send('GET', `${database}/_changes`);
    const rows = (object(json)['results'] as readonly { id: string; changes: { rev: string }[] }[])
      .filter(({ id }) => !id.startsWith('_'))
      .map(({ id, changes }) => `${id} ${changes.map(({ rev }) => rev).join()}`);
    assert.equal(rows.length, 2 * written);
    for (const { watch, acknowledged } of clients[database]) {
      const held = [...watch.held].map(([id, { rev }]) => `${id} ${rev}`);
      assert.deepEqual(held.toSorted(), rows.toSorted());
      for (const [id, revs] of acknowledged) assert.equal(new Set(revs).size, revs.length, id);
    }
  }
  const calm = object((await send('GET', 'calm/?verbose=true')).json);
  assert.equal(calm['state_reason'], 'the database was loaded');
});
