import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { bringOnline, resyncEnd, resyncStatus, resyncWith } from './helpers/resync.ts';
import { until } from './helpers/until.ts';

// A resync beside requests, and the way back.

const TO = (channel: string): string => `function (doc) { channel("${channel}"); }`;
/** A millisecond for each document. */
const SLOWLY_TO = (channel: string): string =>
  `function (doc) { var until = Date.now() + 1; while (Date.now() < until); channel("${channel}"); }`;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let count = 0;
async function database(config: Readonly<Record<string, unknown>>): Promise<TestDatabase> {
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  return createDatabase({ urls }, `online${++count}`, config);
}

async function putMany({ admin }: TestDatabase, length: number): Promise<void> {
  const docs = Array.from({ length }, (_, n) => ({ _id: `d${n}`, n }));
  const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
  assert.equal(answer.status, 201, answer.text);
}

function resync({ admin }: TestDatabase, action: string, json: object = {}): Promise<Answer> {
  return request('POST', `${admin}/_resync?action=${action}`, { json });
}

async function started(db: TestDatabase, json: object, action = 'start'): Promise<void> {
  const answer = await resync(db, action, { online: true, ...json });
  assert.equal(answer.status, 200, answer.text);
}

async function countIn({ admin }: TestDatabase, channel: string): Promise<number> {
  const query = `filter=sync_gateway/bychannel&active_only=true&channels=${channel}`;
  const { json } = await request('GET', `${admin}/_changes?${query}`);
  return (json as { results: unknown[] }).results.length;
}

const stateOf = async ({ admin }: TestDatabase): Promise<unknown> =>
  ((await request('GET', `${admin}/`)).json as { state: string }).state;

const syncOf = async ({ admin }: TestDatabase): Promise<string> =>
  (await request('GET', `${admin}/_config/sync`)).text;

async function someProcessed(db: TestDatabase): Promise<void> {
  await until('some are processed', async () => {
    const { docs_processed: processed } = await resyncStatus(db);
    return processed > 0 ? true : undefined;
  });
}

test('the new function is set and everything follows, with the database online', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 300);
  await started(db, { sync: TO('new') });
  assert.equal(await stateOf(db), 'Online');
  const end = await resyncEnd(db);
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    last_error: '',
    online: true,
    docs_processed: 300,
    docs_changed: 300,
    docs_routed_by_older_functions: 0,
  });
  assert.deepEqual([await countIn(db, 'old'), await countIn(db, 'new')], [0, 300]);
  assert.equal(await syncOf(db), TO('new'));
});

const STORED = 600;

test('clients write and read throughout: no 503, and none is routed by the old function', async () => {
  const db = await database({ sync: TO('old') });
  await putUser(db, 'ann', { admin_channels: ['old', 'new'] });
  const session = await request('POST', `${db.admin}/_session`, { json: { name: 'ann' } });
  const { cookie_name: name, session_id: id } = session.json as Record<string, string>;
  const headers = { cookie: `${name}=${id}` };
  await putMany(db, STORED);
  const stop = new AbortController();
  const statuses = new Map<number, number>();
  const noted = ({ status }: Answer): void => {
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  let written = 0;
  /** Writes documents of its own, and those that the resync is about to come to. */
  const client = async (at: number): Promise<void> => {
    for (let n = at; !stop.signal.aborted; n += 4) {
      const fresh = await request('PUT', `${db.public}/own${n}`, { json: { n }, headers });
      noted(fresh);
      if (fresh.status === 201) written++;
      const there = await request('GET', `${db.public}/d${n % STORED}`, { headers });
      noted(there);
      const rev = (there.json as { _rev?: string } | undefined)?._rev ?? '';
      const url = `${db.public}/d${n % STORED}?rev=${rev}`;
      noted(await request('PUT', url, { json: { n, again: true }, headers }));
      noted(await request('GET', `${db.public}/_changes?limit=5`, { headers }));
    }
  };
  /** Feeds end when the function is changed, and with an answer that is none of an error. */
  const follower = async (feed: string): Promise<void> => {
    while (!stop.signal.aborted) {
      const query = `feed=${feed}&since=${STORED + written}&timeout=200`;
      noted(await request('GET', `${db.public}/_changes?${query}`, { headers }));
    }
  };
  const clients = [...[0, 1, 2, 3].map(client), follower('longpoll'), follower('continuous')];
  await until('some are written', () => (written > 20 ? true : undefined));
  await started(db, { sync: TO('new') });
  // The answer is the cut-over.
  await request('PUT', `${db.admin}/after`, { json: {} });
  const before = written;
  const end = await resyncEnd(db);
  assert.ok(written > before, 'clients wrote meanwhile');
  stop.abort();
  await Promise.all(clients);
  assert.equal(end.status, 'completed', end.last_error);
  // NOTE: two of them may write the same document at once.
  const unexpected = [...statuses].filter(([status]) => ![200, 201, 409].includes(status));
  assert.deepEqual(unexpected, [], 'no answer but these');
  assert.equal(await countIn(db, 'old'), 0);
  assert.equal(await countIn(db, 'new'), STORED + written + 1);
});

test('stop leaves a mixture that a later start completes, online or offline', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 900);
  await started(db, { sync: SLOWLY_TO('new') });
  await someProcessed(db);
  assert.equal((await resync(db, 'start', { online: true })).status, 503);
  assert.equal((await resync(db, 'undo')).status, 503);
  assert.equal((await resync(db, 'stop')).status, 200);
  const stopped = await resyncEnd(db);
  assert.equal(stopped.status, 'stopped');
  const { docs_changed: changed } = stopped;
  assert.ok(changed > 0 && changed < 900, `${changed}`);
  assert.deepEqual([await countIn(db, 'new'), await countIn(db, 'old')], [changed, 900 - changed]);
  assert.equal((await resync(db, 'stop')).status, 400);
  await started(db, {});
  await someProcessed(db);
  await resync(db, 'stop');
  await resyncEnd(db);
  await request('POST', `${db.admin}/_offline`);
  assert.equal((await resync(db, 'start', { online: true })).status, 503);
  assert.equal((await resync(db, 'start')).status, 200);
  const end = await resyncEnd(db);
  assert.equal(end.resync_id, stopped.resync_id);
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: 900,
    docs_changed: 900,
  });
  assert.equal('online' in end, false);
  await bringOnline(db);
  assert.equal(await countIn(db, 'new'), 900);
});

test('while the database is offline it waits, and goes on when that comes back', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 900);
  await started(db, { sync: SLOWLY_TO('new') });
  await someProcessed(db);
  assert.equal((await request('POST', `${db.admin}/_offline`)).status, 200);
  const waiting = await until('it waits', async () => {
    const status = await resyncStatus(db);
    return status.last_error.includes('waits') ? status : undefined;
  });
  assert.equal(waiting.status, 'running');
  assert.ok(waiting.docs_processed < 900);
  assert.equal((await resync(db, 'start')).status, 503);
  await bringOnline(db);
  const end = await resyncEnd(db);
  assert.partialDeepStrictEqual(end, { status: 'completed', docs_changed: 900, last_error: '' });
});

test('another function in the middle ends it, and the next run looks at all', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 600);
  await started(db, { sync: SLOWLY_TO('new') });
  await someProcessed(db);
  const put = await request('PUT', `${db.admin}/_config/sync`, {
    body: TO('other'),
    headers: { 'content-type': 'application/javascript' },
  });
  assert.equal(put.status, 200, put.text);
  const broken = await resyncEnd(db);
  assert.equal(broken.status, 'error');
  assert.match(broken.last_error, /function .*was changed/);
  await started(db, {});
  assert.partialDeepStrictEqual(await resyncEnd(db), { status: 'completed', docs_changed: 600 });
  assert.equal(await countIn(db, 'other'), 600);
});

test('what is no function changes nothing', async () => {
  const db = await database({ sync: TO('old') });
  const answer = await resync(db, 'start', {
    online: true,
    sync: 'function (doc) {\n channel(;\n}',
  });
  assert.equal(answer.status, 400, answer.text);
  assert.match((answer.json as { reason: string }).reason, /line 2/);
  assert.equal(await syncOf(db), TO('old'));
  assert.equal((await resyncStatus(db)).resync_id, '');
  const refusals: readonly (readonly [string, object, RegExp])[] = [
    ['start', { functions: { 'no.such': TO('a') } }, /no collection no\.such/],
    ['start', { scopes: { none: [] } }, /no scope none/],
    ['start', { scopes: { _default: ['none'] } }, /no collection _default\.none/],
    ['start', { scopes: { _default: [] }, sync: TO('a') }, /function of one collection/],
    ['start', { online: 'yes' }, /online/],
    ['restart', {}, /must be start, stop, plan or undo/],
    ['stop', {}, /nothing to stop/],
  ];
  const sequence = async (): Promise<unknown> =>
    ((await request('GET', `${db.admin}/`)).json as { update_seq: number }).update_seq;
  const before = await sequence();
  for (const [action, json, why] of refusals) {
    const refused = await resync(db, action, { online: true, ...json });
    assert.equal(refused.status, 400, refused.text);
    assert.match((refused.json as { reason: string }).reason, why);
  }
  // Without `online` it has to be offline, whatever is asked for.
  assert.equal((await resync(db, 'start', { sync: TO('new') })).status, 503);
  assert.equal(await syncOf(db), TO('old'));
  assert.equal(await stateOf(db), 'Online');
  assert.equal(await sequence(), before);
  assert.equal((await resyncStatus(db)).resync_id, '');
});

test('undo runs the former function the same way, and undo of that the other one', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 50);
  const nothing = await resync(db, 'undo');
  assert.equal(nothing.status, 409, nothing.text);
  assert.match((nothing.json as { reason: string }).reason, /no resync .* has ever run/);
  await started(db, {});
  await resyncEnd(db);
  const none = await resync(db, 'undo');
  assert.equal(none.status, 409);
  assert.match((none.json as { reason: string }).reason, /no former function/);

  await started(db, { sync: TO('new') });
  await resyncEnd(db);
  assert.equal((await resync(db, 'undo', { sync: TO('x') })).status, 400);
  for (const channel of ['old', 'new', 'old']) {
    assert.equal((await resync(db, 'undo')).status, 200);
    const end = await resyncEnd(db);
    assert.partialDeepStrictEqual(end, { status: 'completed', online: true, docs_changed: 50 });
    assert.equal(await syncOf(db), TO(channel));
    assert.equal(await countIn(db, channel), 50);
  }

  // Offline as it was run offline; the function of later is not taken back.
  await resyncWith(db, TO('newer'));
  assert.equal((await resync(db, 'undo')).status, 503, 'it has to be offline');
  await request('POST', `${db.admin}/_offline`);
  assert.equal((await resync(db, 'undo')).status, 200);
  assert.partialDeepStrictEqual(await resyncEnd(db), { status: 'completed', docs_changed: 50 });
  assert.equal(await syncOf(db), TO('old'));
  await request('PUT', `${db.admin}/_config/sync`, {
    body: TO('later'),
    headers: { 'content-type': 'application/javascript' },
  });
  const changed = await resync(db, 'undo');
  assert.equal(changed.status, 409);
  assert.match((changed.json as { reason: string }).reason, /was changed after the resync/);
});

test('what a function that breaks has done is undone', async () => {
  const db = await database({ sync: TO('old') });
  await putMany(db, 300);
  const sync = 'function (doc) { if (doc.n % 20 == 7) doc.no.thing(); channel("new"); }';
  await started(db, { sync });
  const broken = await resyncEnd(db);
  assert.equal(broken.status, 'error');
  assert.ok((await countIn(db, 'new')) > 0);
  await started(db, {}, 'undo');
  assert.partialDeepStrictEqual(await resyncEnd(db), { status: 'completed', docs_errored: 0 });
  assert.deepEqual([await countIn(db, 'old'), await countIn(db, 'new')], [300, 0]);
  assert.equal(await syncOf(db), TO('old'));
});

test('an online resync of some collections, each with its function', async () => {
  const collections = { a: { sync: TO('old') }, b: { sync: TO('old') } };
  const db = await database({ scopes: { s: { collections } } });
  for (const name of ['a', 'b']) await putMany({ ...db, admin: `${db.admin}.s.${name}` }, 20);
  await started(db, { scopes: { s: ['b'] }, sync: TO('new') });
  assert.partialDeepStrictEqual(await resyncEnd(db), { docs_processed: 20, docs_changed: 20 });
  const inNew = async (name: string): Promise<number> =>
    countIn({ ...db, admin: `${db.admin}.s.${name}` }, 'new');
  assert.deepEqual([await inNew('a'), await inNew('b')], [0, 20]);
  await started(db, {}, 'undo');
  assert.partialDeepStrictEqual(await resyncEnd(db), { docs_processed: 20, docs_changed: 20 });
  assert.deepEqual([await inNew('a'), await inNew('b')], [0, 0]);
});
