import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD } from './helpers/database.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { bringOnline, resyncEnd, resyncStatus, startResync } from './helpers/resync.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// Collections that come from another database: its users had what their documents grant.

const GRANTING = `function (doc) {
  channel(doc.channels);
  if (doc.to) access(doc.to, doc.give);
  if (doc.role) role(doc.to, doc.role);
}`;
const BREAKING = GRANTING.replace('{', '{ if (doc.breaks) nothing.of.that(); ');
const object = (json: JsonValue) => json as { readonly [key: string]: JsonValue };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let one: GatewayProcess;
/** Over the same buckets. */
let two: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  one = await runGateway({ dataDir: folder.path });
  two = await runGateway({ dataDir: folder.path });
});
after(async () => {
  await Promise.all([one, two].map((node) => node?.[Symbol.asyncDispose]()));
  await folder?.[Symbol.asyncDispose]();
});

/** `what`: method and path on the admin port, as `PUT db/`. */
async function ok(node: GatewayProcess, what: string, json?: unknown): Promise<Answer> {
  const [method = '', path = ''] = what.split(' ');
  const options = json === undefined ? {} : { json };
  const answer = await request(method, `${node.urls.admin}/${path}`, options);
  assert.ok(answer.status < 300, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

const collections = (...names: readonly string[]) => ({
  scopes: {
    s: { collections: Object.fromEntries(names.map((name) => [name, { sync: GRANTING }])) },
  },
});

async function stateOf(
  node: GatewayProcess,
  name: string,
): Promise<Readonly<Record<string, JsonValue>>> {
  const { status, json } = await request('GET', `${node.urls.admin}/${name}/?verbose=true`);
  return status === 200 ? object(json) : {};
}

const untilState = (node: GatewayProcess, name: string, state: string) =>
  until(`${name} is ${state}`, async () => {
    const told = await stateOf(node, name);
    return told['state'] === state ? told : undefined;
  });

/** Names of the documents that a user is told of, each with `-` where it is revoked. */
async function seenBy(node: GatewayProcess, keyspace: string, since = '0') {
  const query = `since=${since}&revocations=true`;
  const { status, json, text } = await request(
    'GET',
    `${node.urls.public}/${keyspace}/_changes?${query}`,
    { as: `ann:${PASSWORD}` },
  );
  assert.equal(status, 200, text);
  const { results, last_seq: lastSeq } = json as unknown as {
    results: { id: string; revoked?: true }[];
    last_seq: string | number;
  };
  const rows = results.filter(({ id }) => !id.startsWith('_user/'));
  return { ids: rows.map(({ id, revoked }) => (revoked ? `-${id}` : id)), lastSeq: `${lastSeq}` };
}

async function create(node: GatewayProcess, name: string, config: object): Promise<void> {
  await ok(node, `PUT ${name}/`, { bucket: 'moving', ...config });
  await ok(node, `PUT ${name}/_user/ann`, { password: PASSWORD });
}

test('a collection that comes from another database is served after a resync, with its own users', async () => {
  await create(one, 'from', collections('stays', 'moves'));
  await ok(one, 'PUT from/_role/reader', {
    collection_access: { s: { stays: { admin_channels: ['a'] } } },
  });
  await ok(one, 'PUT from.stays/plain', { channels: ['a'] });
  await ok(one, 'PUT from.moves/granted', { channels: ['x'] });
  await ok(one, 'PUT from.moves/breaks', {
    breaks: true,
    channels: ['x'],
    to: 'ann',
    role: 'role:reader',
  });
  await ok(one, 'PUT from.moves/grants', { to: 'ann', give: 'x', role: 'role:reader' });
  assert.deepEqual((await seenBy(one, 'from.moves')).ids, ['granted', 'breaks']);
  const before = await seenBy(one, 'from.stays');
  assert.deepEqual(before.ids, ['plain'], 'by the role that a document of the other gives');
  await create(one, 'to', collections('own'));
  await ok(one, 'PUT to.own/d', { channels: ['!'] });
  await untilState(two, 'to', 'Online');

  await ok(one, 'POST from/_config', collections('stays'));
  const { scopes } = collections('own', 'moves');
  scopes.s.collections['moves'] = { sync: BREAKING };
  await ok(one, 'POST to/_config', { scopes });
  for (const node of [one, two]) {
    const told = await untilState(node, 'to', 'Offline');
    assert.deepEqual(told['require_resync'], ['s.moves']);
    assert.match(
      told['state_reason'] as string,
      /s\.moves is routed for another database: it needs/,
    );
    const { json } = await ok(node, 'GET _status');
    const { to, from } = object(object(json)['databases']);
    assert.deepEqual(object(to)['require_resync'], ['s.moves']);
    assert.deepEqual(object(from)['require_resync'], []);
  }
  await bringOnline({ admin: `${one.urls.admin}/to` });
  assert.equal((await stateOf(one, 'to'))['state'], 'Offline', '_online leaves it');
  await two.stop('SIGKILL');
  two = await runGateway({ dataDir: folder.path });
  const again = await stateOf(two, 'to');
  assert.deepEqual([again['state'], again['require_resync']], ['Offline', ['s.moves']]);

  const to = { admin: `${one.urls.admin}/to` };
  await startResync(to);
  const { status, docs_changed: changed, docs_errored: broken } = await resyncEnd(to);
  assert.deepEqual([status, changed, broken], ['completed', 2, 1], 'two documents grant');
  for (const node of [one, two]) {
    const told = await untilState(node, 'to', 'Offline');
    assert.equal(told['require_resync'], undefined);
  }
  await bringOnline(to);
  for (const node of [one, two]) {
    await untilState(node, 'to', 'Online');
    assert.deepEqual((await seenBy(node, 'to.moves')).ids.toSorted(), ['breaks', 'granted']);
    assert.deepEqual((await seenBy(node, 'to.own')).ids, ['d']);
    const { ids } = await seenBy(node, 'from.stays', before.lastSeq);
    assert.deepEqual(ids, ['-plain'], 'what the other database had by it has ended');
  }
  const { json } = await ok(one, 'GET from/_user/ann');
  assert.equal(object(json)['roles'], undefined);
});

test('taken back, it needs a resync again; one that was stopped half-way is no resync', async () => {
  await ok(one, 'POST to/_config', collections('own'));
  await ok(one, 'POST from/_config', collections('stays', 'moves'));
  await untilState(two, 'from', 'Offline');
  const from = { admin: `${two.urls.admin}/from` };
  assert.deepEqual((await stateOf(two, 'from'))['require_resync'], ['s.moves']);
  // Of another collection: the one that came is as before.
  await ok(two, 'POST from/_resync', { scopes: { s: ['stays'] } });
  await resyncEnd(from);
  await bringOnline(from);
  assert.deepEqual((await stateOf(two, 'from'))['require_resync'], ['s.moves']);
  await startResync(from);
  await resyncEnd(from);
  await bringOnline(from);
  await untilState(one, 'from', 'Online');
  assert.deepEqual((await seenBy(one, 'from.moves')).ids.toSorted(), ['breaks', 'granted']);
  assert.deepEqual((await seenBy(one, 'from.stays')).ids, ['plain']);
});

test('a database that is made again has its users and grants, by whatever name', async () => {
  await ok(one, 'DELETE from/');
  await ok(two, 'PUT renamed/', { bucket: 'moving', ...collections('stays', 'moves') });
  for (const node of [one, two]) {
    const told = await untilState(node, 'renamed', 'Online');
    assert.equal(told['require_resync'], undefined);
    assert.deepEqual((await seenBy(node, 'renamed.moves')).ids.toSorted(), ['breaks', 'granted']);
    assert.deepEqual((await seenBy(node, 'renamed.stays')).ids, ['plain']);
  }
  // The name is free, and what it was known by is not.
  await create(one, 'from', collections('elsewhere'));
  await untilState(two, 'from', 'Online');
  await ok(one, 'PUT from/_user/ann', { disabled: true, password: PASSWORD });
  assert.deepEqual((await seenBy(two, 'renamed.stays')).ids, ['plain'], 'another ann');
});

test('what is made over a collection of a database that lives with others waits for its resync', async () => {
  await ok(one, 'POST renamed/_config', collections('moves'));
  await ok(one, 'PUT late/', { bucket: 'moving', offline: true, ...collections('stays') });
  assert.deepEqual((await stateOf(one, 'late'))['require_resync'], ['s.stays']);
  const late = { admin: `${one.urls.admin}/late` };
  await bringOnline(late);
  assert.equal((await stateOf(one, 'late'))['state'], 'Offline');
  const { json } = await ok(one, 'GET late/_config');
  assert.equal(object(json)['offline'], false, 'it is to be online when it can be');
  await startResync(late);
  await resyncEnd(late);
  await bringOnline(late);
  assert.equal((await stateOf(one, 'late'))['state'], 'Online');
  await ok(one, 'GET late.stays/plain');
});

test('killed in the middle, the resync goes on, and until its end the database is held', async () => {
  const sync = 'function (doc) { for (var i = 0; i < 200000; i++) {} channel("c"); }';
  const slow = (name: string) => ({
    bucket: 'slow',
    scopes: { s: { collections: { [name]: { sync } } } },
  });
  await ok(one, 'PUT former/', slow('c'));
  const docs = Array.from({ length: 3000 }, (_, n) => ({ _id: `d${n}`, n }));
  await ok(one, 'POST former.c/_bulk_docs', { docs });
  await ok(one, 'POST former/_config', slow('d'));
  await ok(one, 'PUT next/', slow('c'));
  await two.stop();
  await startResync({ admin: `${one.urls.admin}/next` }, '&regenerate_sequences=true');
  await until('some are done', async () => {
    const { docs_processed: done, status } = await resyncStatus({
      admin: `${one.urls.admin}/next`,
    });
    assert.equal(status, 'running');
    return done > 0 || undefined;
  });
  await one.stop('SIGKILL');
  const again = { dataDir: folder.path };
  [one, two] = await Promise.all([runGateway(again), runGateway(again)]);
  const next = { admin: `${one.urls.admin}/next` };
  const told = await stateOf(one, 'next');
  const end = await resyncEnd(next);
  assert.notEqual(told['state'], 'Online');
  assert.deepEqual([end.status, end.docs_changed], ['completed', 3000]);
  await bringOnline(next);
  for (const node of [one, two]) await untilState(node, 'next', 'Online');
  // It was another process’s just before.
  await ok(one, 'POST next/_config', slow('e'));
  await ok(two, 'POST former/_config', slow('c'));
  assert.deepEqual((await stateOf(two, 'former'))['require_resync'], ['s.c']);
});
