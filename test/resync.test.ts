import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import {
  bringOnline,
  changeFunction,
  resyncEnd,
  resyncStatus,
  resyncWith,
  startResync,
} from './helpers/resync.ts';

// A changed sync function over what is stored: what the transcripts of a reference do not show.

const BY_CHANNELS = 'function (doc) { channel(doc.channels); }';
const ANN = 'ann:letmein';

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let count = 0;
async function database(sync: string, more: object = {}): Promise<TestDatabase> {
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  return createDatabase({ urls }, `resync${++count}`, { sync, ...more });
}

async function put({ admin }: TestDatabase, id: string, json: unknown): Promise<string> {
  const answer = await request('PUT', `${admin}/${id}`, { json });
  assert.equal(answer.status, 201, answer.text);
  return (answer.json as { rev: string }).rev;
}

async function putMany(
  { admin }: TestDatabase,
  length: number,
  doc: (n: number) => object,
): Promise<void> {
  const docs = Array.from({ length }, (_, n) => doc(n));
  const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
  assert.equal(answer.status, 201, answer.text);
}

interface Row {
  readonly id: string;
  readonly removed?: readonly string[];
  readonly revoked?: true;
  readonly deleted?: true;
}

interface Feed {
  readonly rows: readonly Row[];
  readonly since: string;
}

async function changes(url: string, query: string, as?: string): Promise<Feed> {
  const answer = await request('GET', `${url}/_changes?${query}`, as === undefined ? {} : { as });
  assert.equal(answer.status, 200, answer.text);
  const { results, last_seq } = answer.json as unknown as { results: Row[]; last_seq: JsonValue };
  return {
    rows: results.filter(({ id }) => !id.startsWith('_user/')),
    since: encodeURIComponent(JSON.stringify(last_seq)),
  };
}

const ids = ({ rows }: Feed): readonly string[] => rows.map(({ id }) => id).toSorted();

async function get({ admin }: TestDatabase, path: string): Promise<Answer> {
  return request('GET', `${admin}/${path}`);
}

test('a reader is told what it gained, what left its channels and what was revoked', async () => {
  const db = await database(
    'function (doc) { channel(doc.a); if (doc.gives) access("ann", doc.gives); }',
  );
  await putUser(db, 'ann', { admin_channels: ['mine'] });
  await put(db, 'leaves', { a: 'mine', b: 'other' });
  await put(db, 'stays', { a: 'mine', b: 'mine' });
  await put(db, 'comes', { a: 'other', b: 'mine' });
  await put(db, 'grant', { a: 'none', b: 'none', gives: 'given' });
  await put(db, 'granted', { a: 'given', b: 'given' });
  const before = await changes(db.public, '', ANN);
  assert.deepEqual(ids(before), ['granted', 'leaves', 'stays']);

  const end = await resyncWith(db, 'function (doc) { channel(doc.b); }');
  assert.equal(end.status, 'completed');
  assert.equal(end.docs_processed, 5);
  assert.equal(end.docs_changed, 3, 'leaves, comes, and the one that granted');

  const told = await changes(db.public, `since=${before.since}&revocations=true`, ANN);
  const by = new Map(told.rows.map((row) => [row.id, row]));
  assert.deepEqual([...by.keys()].toSorted(), ['comes', 'granted', 'leaves']);
  assert.deepEqual(by.get('leaves')?.removed, ['mine']);
  assert.equal(by.get('comes')?.removed, undefined);
  assert.equal(by.get('granted')?.revoked, true);
  assert.equal((await request('GET', `${db.public}/leaves`, { as: ANN })).status, 403);
  assert.equal((await request('GET', `${db.public}/comes`, { as: ANN })).status, 200);
  const fresh = await changes(db.public, 'active_only=true', ANN);
  assert.deepEqual(ids(fresh), ['comes', 'stays']);
});

test('what the function refuses is in no channel; what it breaks on stays where it is', async () => {
  const db = await database(BY_CHANNELS);
  await put(db, 'refused', { channels: 'a', no: true });
  await put(db, 'broken', { channels: 'a', bad: true });
  await put(db, 'fine', { channels: 'a' });
  const end = await resyncWith(
    db,
    `function (doc) {
      if (doc.no) throw({forbidden: "no"});
      if (doc.bad) doc.nothing.at.all();
      channel("b");
    }`,
  );
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: 3,
    docs_changed: 2,
    docs_errored: 1,
  });
  assert.deepEqual(
    end.errors.map(({ id }) => id),
    ['broken'],
  );
  assert.match(end.errors[0]?.message ?? '', /line 3.*TypeError/);
  const inA = 'filter=sync_gateway/bychannel&active_only=true&channels=a';
  assert.deepEqual(ids(await changes(db.admin, inA)), ['broken']);
  const inB = 'filter=sync_gateway/bychannel&active_only=true&channels=b';
  assert.deepEqual(ids(await changes(db.admin, inB)), ['fine']);
});

test('a function that breaks on more than one in a hundred is stopped early', async () => {
  const db = await database(BY_CHANNELS);
  const id = (n: number): string => `d${String(n).padStart(4, '0')}`;
  await putMany(db, 900, (n) => ({ _id: id(n), channels: 'a', bad: n % 33 === 5 }));
  await changeFunction(db, 'function (doc) { if (doc.bad) doc.x.y(); channel("b"); }');
  await startResync(db);
  const end = await resyncEnd(db);
  assert.equal(end.status, 'error');
  assert.match(end.last_error, /breaks on 3 of the first 100 documents/);
  assert.partialDeepStrictEqual(end, { docs_processed: 100, docs_errored: 3, docs_changed: 97 });
  assert.equal(end.docs_targeted, 900);
  // With a function that is better all are looked at again, in a run of its own.
  const again = await resyncWith(db, 'function (doc) { channel("b"); }');
  assert.notEqual(again.resync_id, end.resync_id);
  assert.partialDeepStrictEqual(again, {
    status: 'completed',
    docs_processed: 900,
    docs_changed: 803,
    docs_errored: 0,
  });
});

test('a function that loops on a document is no reason to end', async () => {
  const db = await database(BY_CHANNELS);
  await putMany(db, 120, (n) => ({ _id: `d${n}`, channels: 'a', loops: n === 7 }));
  await request('POST', `${db.admin}/_config`, { json: { javascript_timeout_secs: 1 } });
  const end = await resyncWith(db, 'function (doc) { while (doc.loops); channel("b"); }');
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: 120,
    docs_changed: 119,
    docs_errored: 1,
  });
});

test('one that loops on every hundredth document ends, names them, and leaves them where they are', async () => {
  const db = await database(BY_CHANNELS);
  const id = (n: number): string => `d${String(n).padStart(4, '0')}`;
  await putMany(db, 300, (n) => ({ _id: id(n), channels: 'a', loops: n % 100 === 99 }));
  await request('POST', `${db.admin}/_config`, { json: { javascript_timeout_secs: 1 } });
  const end = await resyncWith(db, 'function (doc) { while (doc.loops); channel("b"); }');
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: 300,
    docs_changed: 297,
    docs_errored: 3,
  });
  assert.deepEqual(
    end.errors.map((error) => error.id),
    [id(99), id(199), id(299)],
  );
  for (const { message } of end.errors) assert.match(message, /took longer than 1000 ms/);
  const inA = 'filter=sync_gateway/bychannel&active_only=true&channels=a';
  assert.deepEqual(ids(await changes(db.admin, inA)), [id(99), id(199), id(299)]);
  // A better one goes over all of them.
  const again = await resyncWith(db, 'function (doc) { channel("b"); }');
  assert.partialDeepStrictEqual(again, { status: 'completed', docs_changed: 3, docs_errored: 0 });
});

test('tombstones, losing branches and expiry follow the new function; revisions stay', async () => {
  const db = await database('function (doc) { channel("old"); }', { allow_conflicts: true });
  const rev = await put(db, 'gone', { channels: 'x' });
  const { json } = await request('DELETE', `${db.admin}/gone?rev=${rev}`);
  const tombstone = (json as { rev: string }).rev;
  const winner = await put(db, 'doc', { channels: 'a' });
  const sent = await request('POST', `${db.admin}/_bulk_docs`, {
    json: {
      new_edits: false,
      docs: [
        { _id: 'two', _rev: '1-b', channels: 'win' },
        { _id: 'two', _rev: '1-a', channels: 'lose' },
      ],
    },
  });
  assert.equal(sent.status, 201, sent.text);
  await putUser(db, 'ann', { admin_channels: ['old', 'lose'] });
  const end = await resyncWith(
    db,
    'function (doc) { channel(doc._deleted ? "graves" : doc.channels); if (!doc._deleted) expiry(4000000000); }',
  );
  assert.equal(end.status, 'completed', end.last_error);
  const graves = await changes(db.admin, 'filter=sync_gateway/bychannel&channels=graves');
  assert.deepEqual(
    graves.rows.map(({ id, deleted }) => [id, deleted]),
    [['gone', true]],
  );
  const doc = await get(db, 'doc?show_exp=true');
  assert.partialDeepStrictEqual(doc.json, { _rev: winner, _exp: '2096-10-02T07:06:40Z' });
  const raw = (await get(db, '_raw/gone')).json as { _xattrs: { _sync: { rev: unknown } } };
  assert.ok(JSON.stringify(raw).includes(tombstone));
  const branches = (await get(db, 'two?open_revs=all')).text;
  assert.match(branches, /1-a/);
  const losing = await request('GET', `${db.public}/two?rev=1-a`, { as: ANN });
  assert.equal(losing.status, 200, losing.text);
  assert.partialDeepStrictEqual(losing.json, { channels: 'lose' });
  assert.equal((await request('GET', `${db.public}/two`, { as: ANN })).status, 403);
});

test('a changed function needs no resync, and the status tells what older ones routed', async () => {
  const db = await database('function (doc) { channel("old"); }');
  await putMany(db, 3, (n) => ({ _id: `d${n}` }));
  assert.equal((await resyncStatus(db)).docs_routed_by_older_functions, 0);
  await changeFunction(db, 'function (doc) { channel("new"); }');
  assert.equal((await resyncStatus(db)).docs_routed_by_older_functions, 3);
  await bringOnline(db);
  await put(db, 'later', {});
  assert.equal((await resyncStatus(db)).docs_routed_by_older_functions, 3);
  await request('POST', `${db.admin}/_offline`);
  await startResync(db);
  const end = await resyncEnd(db);
  assert.partialDeepStrictEqual(end, { docs_changed: 3, docs_routed_by_older_functions: 0 });
  assert.equal(end.nodes.length, 1);
});

test('while it runs nothing else is done with the database; stop ends it, start goes on', async () => {
  const db = await database(BY_CHANNELS);
  await putMany(db, 1500, (n) => ({ _id: `d${n}`, channels: 'a' }));
  // Each document takes a millisecond.
  await changeFunction(
    db,
    'function (doc) { var until = Date.now() + 1; while (Date.now() < until); channel("b"); }',
  );
  await startResync(db);
  assert.equal((await request('POST', `${db.admin}/_online`)).status, 503);
  assert.equal((await request('POST', `${db.admin}/_resync`)).status, 503);
  assert.equal((await request('POST', `${db.admin}/_offline`)).status, 200);
  assert.equal((await get(db, '')).json!['state' as never], 'Resyncing');
  const stop = await request('POST', `${db.admin}/_resync?action=stop`);
  assert.equal(stop.status, 200, stop.text);
  const stopped = await resyncEnd(db);
  assert.equal(stopped.status, 'stopped');
  assert.ok(stopped.docs_processed < 1500);
  assert.equal(stopped.docs_changed, stopped.docs_processed);
  assert.equal((await request('POST', `${db.admin}/_resync?action=stop`)).status, 400);
  await startResync(db);
  const end = await resyncEnd(db);
  assert.equal(end.resync_id, stopped.resync_id);
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    docs_processed: 1500,
    docs_changed: 1500,
    docs_targeted: 1500,
  });
});

test('a database that is deleted in the middle is gone, and one of its name begins anew', async () => {
  const db = await database(BY_CHANNELS);
  await putMany(db, 1000, (n) => ({ _id: `d${n}`, channels: 'a' }));
  await changeFunction(
    db,
    'function (doc) { var until = Date.now() + 1; while (Date.now() < until); channel("b"); }',
  );
  await startResync(db);
  assert.equal((await request('DELETE', `${db.admin}/`)).status, 200);
  const again = await request('PUT', `${db.admin}/`, { json: { sync: BY_CHANNELS } });
  assert.equal(again.status, 201, again.text);
  assert.partialDeepStrictEqual(await resyncStatus(db), { status: 'completed', resync_id: '' });
});
