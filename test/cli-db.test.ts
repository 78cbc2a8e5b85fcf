import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { runCommand } from './helpers/run-command.ts';

// `tidegate db …` does what the admin port does.

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
  for (const [name, bucket] of [
    ['shop', 'shop'],
    ['b/+x', 'odd'],
  ] as const) {
    const url = `${gateway.admin}/${encodeURIComponent(name)}/`;
    const { status } = await request('PUT', url, { json: { revs_limit: 30, bucket } });
    assert.equal(status, 201);
  }
});
after(() => gateway[Symbol.asyncDispose]());

const db = (...args: string[]) => runCommand(['db', ...args, '--admin', gateway.admin]);

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await db(...args);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

test('list tells states and why, as a table or as JSON', async () => {
  const text = await succeeds('list');
  assert.match(text, /^DATABASE +BUCKET +STATE +SINCE +WHY\n/u);
  assert.match(text, /^b\/\+x +odd +Online +\d{4}-/mu);
  const json = JSON.parse(await succeeds('list', '--json')) as { db_name: string; state: string }[];
  assert.deepEqual(
    json.map(({ db_name: name, state }) => [name, state]),
    [
      ['b/+x', 'Online'],
      ['shop', 'Online'],
    ],
  );
});

test('offline and online, also with a delay, and each twice', async () => {
  for (let n = 0; n < 2; n++) await succeeds('offline', 'shop');
  assert.match(
    await succeeds('list'),
    /^shop +shop +Offline .* an administrator took it offline/mu,
  );
  assert.match(await succeeds('online', 'shop', '--delay', '1000'), /comes online in 1000 s/u);
  assert.match(await succeeds('list'), /^shop .* comes online at \d{4}/mu);
  for (let n = 0; n < 2; n++) await succeeds('online', 'shop');
  assert.match(await succeeds('list'), /^shop +shop +Online/mu);
});

test('online says so where the database stays offline, and why', async () => {
  const scopes = (collection: string) => ({
    bucket: 'moved',
    scopes: { s: { collections: { [collection]: {} } } },
  });
  for (const [method, path, json] of [
    ['PUT', 'from/', scopes('c')],
    ['POST', 'from/_config', scopes('d')],
    ['PUT', 'to/', scopes('c')],
  ] as const)
    assert.equal((await request(method, `${gateway.admin}/${path}`, { json })).status, 201);
  const { code, stderr } = await db('online', 'to');
  assert.equal(code, 1);
  assert.match(stderr, /to is offline: .* s\.c .* it needs POST \/to\/_resync/u);
  for (const name of ['from', 'to']) await request('DELETE', `${gateway.admin}/${name}/`);
});

test('config get, set, history and rollback', async () => {
  const file = path.join(gateway.dataDir, 'shop.json');
  await writeFile(file, '{ // more\n "revs_limit": 40, "sync": `function (doc) {\n}` }');
  await succeeds('config', 'set', 'shop', file);
  await writeFile(file, '{"revs_limit": 41}');
  const set = JSON.parse(await succeeds('config', 'set', 'shop', file, '--merge', '--json')) as {
    etag: string;
  };
  const config = JSON.parse(await succeeds('config', 'get', 'shop')) as Record<string, unknown>;
  assert.deepEqual([config['revs_limit'], config['sync']], [41, 'function (doc) {\n}']);
  const history = await succeeds('config', 'history', 'shop');
  assert.match(history, /^3 \(now\) +\S+ +revs_limit$/mu);
  assert.match(history, /^2 +\S+ +revs_limit, sync$/mu);
  await succeeds('config', 'rollback', 'shop', '1');
  const former = JSON.parse(
    await succeeds('config', 'get', 'shop', '--version-number', '1'),
  ) as Record<string, unknown>;
  assert.deepEqual([former['revs_limit'], former['name']], [30, 'shop']);
  const now = JSON.parse(await succeeds('config', 'get', 'shop')) as Record<string, unknown>;
  assert.deepEqual([now['revs_limit'], now['sync']], [30, undefined]);
  const late = await db('config', 'set', 'shop', file, '--if-match', set.etag);
  assert.deepEqual([late.code, late.stdout], [1, '']);
  assert.match(late.stderr, /^tidegate: the configuration has changed \(status 412\)/u);
});

test('events tells where webhooks stand, lists dead letters and tells again', async () => {
  assert.match(await succeeds('events', 'status', 'shop'), /shop has no webhooks/u);
  assert.match(await succeeds('events', 'dead-letters', 'shop'), /shop has no dead letters/u);
  const hook = { handler: 'webhook', url: 'http://127.0.0.1:9/hook', id: 'h1' };
  await request('POST', `${gateway.admin}/shop/_config`, {
    json: { event_handlers: { document_changed: [hook] } },
  });
  const status = await succeeds('events', 'status', 'shop');
  assert.match(status, /^EVENT +ID +URL +POSITION/u);
  assert.match(status, /^document_changed +h1 +http:\/\/127\.0\.0\.1:9\/hook +\d+/mu);
  assert.match(await succeeds('events', 'replay', 'shop', '--from', '0'), /changed after 0/u);
  const absent = await db('events', 'drop', 'shop', 'nosuch');
  assert.equal(absent.code, 1);
  await request('POST', `${gateway.admin}/shop/_config`, { json: { event_handlers: null } });
});

test('what cannot be done is told, with the exit code that says whose fault it is', async () => {
  const file = path.join(gateway.dataDir, 'wrong.json');
  await writeFile(file, '{"revs_limit": "x", "nosuch": 1}');
  const cases = [
    [['offline', 'nosuch'], 1, /no database nosuch/u],
    [['config', 'set', 'shop', file], 1, /nosuch: is no known .*revs_limit: must be/u],
    [['config', 'rollback', 'shop', '99'], 1, /version 99 is not kept; there are 1 to/u],
    [['reload'], 1, /started without a configuration file/u],
    [['config', 'set', 'shop', 'absent.json'], 2, /cannot read the configuration file/u],
    [['config', 'rollback', 'shop', 'x'], 2, /no whole number/u],
    [['online', 'shop', '--delay', 'soon'], 2, /no number of seconds/u],
    [['lst'], 2, /Did you mean list/u],
    [['list', '--admin', 'nowhere'], 2, /--admin: nowhere is no URL/u],
    [['list', '--admin', 'http://127.0.0.1:9'], 1, /is the gateway running/u],
  ] as const;
  for (const [args, code, reason] of cases) {
    const full = (args as readonly string[]).includes('--admin')
      ? runCommand(['db', ...args])
      : db(...args);
    const ended = await full;
    assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`);
    assert.match(ended.stderr, reason);
  }
});

test('--help tells the commands, with examples', async () => {
  const help = await runCommand(['db', '--help']);
  assert.equal(help.code, 0);
  for (const word of [/list/u, /offline/u, /online/u, /config/u, /Examples:/u])
    assert.match(help.stdout, word);
});
