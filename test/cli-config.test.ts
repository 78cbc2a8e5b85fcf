import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { runCommand } from './helpers/run-command.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';

// Configurations looked at and turned into newer ones, from the command line.

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  folder = await temporaryFolder();
});
after(() => folder[Symbol.asyncDispose]());

const run = (...args: string[]) => runCommand(args, { cwd: folder.path });
const write = (name: string, text: string) => writeFile(path.join(folder.path, name), text);

test('check-config tells all that is wrong, of functions, users and databases, and ends with 2', async () => {
  await write('fine.js', 'function (doc) { channel(doc.c) }');
  await write(
    'wrong.json',
    `{ // of an older release
      "interface": "x", "nosuch": 1,
      "databases": {
        "a": { "server": "walrus:", "sync": \`function (doc) {
            channel(\`, "revs_limit": 0, "users": { "u": { "admin_channels": ["x,y"] } } },
        "b": { "sync": "fine.js", "bucket": "\${NOT_SET_AT_ALL}" },
        "c": { "sync": "absent.js" }
      }
    }`,
  );
  const { code, stdout, stderr } = await run('check-config', 'wrong.json');
  assert.equal(code, 2, stderr);
  const expected = [
    /^wrong\.json: a start-up configuration that is wrong in 8 places:/mu,
    /^ {2}- interface \(now api\.public_interface\): must be HOST:PORT/mu,
    /^ {2}- nosuch: is no known property/mu,
    /^ {2}- databases\.a\.server: must be sqlite:DIR/mu,
    /^ {2}- databases\.a\.sync: .*line 2/mu,
    /^ {2}- databases\.a\.revs_limit: must be a whole number of at least 1/mu,
    /^ {2}- databases\.a\.users\.u: admin_channels\.0: is no channel name/mu,
    /^ {2}- databases\.b\.bucket: the environment variable NOT_SET_AT_ALL is not set/mu,
    /^ {2}- databases\.c\.sync: cannot be read from the file absent\.js/mu,
  ];
  for (const line of expected) assert.match(stdout, line);
});

test('check-config takes the body of a database, and a right file ends with 0', async () => {
  await write('shop.json', '{"bucket": "b", "revs_limit": -1, "sync": "function (", "fooo": 1}');
  const wrong = await run('check-config', 'shop.json', '--name', 'shop', '--json');
  assert.equal(wrong.code, 2);
  const told = JSON.parse(wrong.stdout) as { ok: boolean; problems: string[]; kind: string };
  assert.equal(told.kind, 'configuration of a database');
  assert.deepEqual(
    told.problems.map((problem) => problem.replace(/:.*/su, '')),
    ['fooo', 'revs_limit', 'sync'],
  );
  await write('right.json', '{"log": ["*"], "databases": {"db": {"server": "sqlite:d"}}}');
  const right = await run('check-config', 'right.json');
  assert.equal(right.code, 0, right.stdout + right.stderr);
  const absent = await run('check-config', 'absent.json');
  assert.equal(absent.code, 2);
  assert.match(absent.stderr, /^tidegate: cannot read the configuration file absent\.json/u);
  assert.equal((await run('check-config')).code, 2);
});

test('a function by URL is read, within limits of time, size and hosts', async () => {
  const server = createServer((asked, answer) => {
    if (asked.url === '/sync.js') answer.end('function (doc) { channel("by-url"); }');
    else if (asked.url === '/long.js') answer.end('x'.repeat(2_000_000));
    else if (asked.url === '/away.js')
      answer.writeHead(302, { location: 'http://localhost:1/x' }).end();
    else answer.writeHead(500).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using gateway = await startTestGateway();
  const put = (name: string, sync: string) =>
    request('PUT', `${gateway.admin}/${name}/`, { json: { sync } });
  assert.equal((await put('db', `${url}/sync.js`)).status, 201);
  const stored = await request('GET', `${gateway.admin}/db/_config/sync`);
  assert.equal(stored.text, 'function (doc) { channel("by-url"); }', 'it is kept as text');
  const wrong = [
    ['long.js', /did not end within 1048576 bytes/u],
    ['away.js', /redirect .* is not followed/u],
    ['x.js?secret=1', /x\.js: it answered 500/u],
  ] as const;
  for (const [name, reason] of wrong) {
    const refused = await put('other', `${url}/${name}`);
    assert.equal(refused.status, 400);
    assert.match(refused.text, reason);
    assert.doesNotMatch(refused.text, /secret/u);
  }
  const local = await put('other', 'http://169.254.169.254/latest');
  assert.match(local.text, /169\.254\.169\.254 may not be asked/u);
  server.close();
  server.closeAllConnections();
  const gone = await request('POST', `${gateway.admin}/db/_config`, {
    json: { sync: `${url}/sync.js` },
  });
  assert.equal(gone.status, 400);
  assert.match(gone.text, /^.*sync: cannot be read from http.*ECONNREFUSED/u);
  assert.equal((await request('GET', `${gateway.admin}/db/_config/sync`)).text, stored.text);
});

const OLDER = {
  interface: '127.0.0.1:4984',
  pretty: true,
  databases: {
    one: {
      server: 'sqlite:data',
      bucket: 'b1',
      sync: 'fine.js',
      revs_limit: '${REVS_NOT_SET:-33}',
      users: {
        GUEST: { disabled: false, admin_channels: ['*'] },
        ann: { password: 'letmein', admin_roles: ['staff'] },
      },
      roles: { staff: { admin_channels: ['s'] } },
    },
    two: { server: 'sqlite:data', offline: true },
  },
};

test('upgrade-config shows, writes and applies what an older file says', async () => {
  await write('fine.js', 'function (doc) { channel(doc.c) }');
  await write('older.json', JSON.stringify(OLDER));
  const shown = await run('upgrade-config', 'older.json');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /users that --apply makes: ann/u);
  assert.doesNotMatch(shown.stdout, /letmein/u);
  const written = await run('upgrade-config', 'older.json', '--out', 'newer.json');
  assert.equal(written.code, 0, written.stderr);
  const file = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(path.join(folder.path, name), 'utf8'));
  assert.deepEqual(await file('newer.json'), {
    api: { public_interface: '127.0.0.1:4984', pretty: true },
    bootstrap: { server: 'sqlite:data' },
  });
  assert.equal((await run('check-config', 'newer.json')).code, 0);
  assert.equal((await run('check-config', 'newer.one.json')).code, 0);
  const again = await run('upgrade-config', 'older.json', '--out', 'newer.json');
  assert.equal(again.code, 2, 'no file is written over');
  assert.match(again.stderr, /cannot write newer\.json/u);

  await using gateway = await startTestGateway();
  for (const what of [/one was made/u, /one is there already/u]) {
    const applied = await run('upgrade-config', 'older.json', '--apply', '--admin', gateway.admin);
    assert.equal(applied.code, 0, applied.stderr);
    assert.match(applied.stdout, what);
  }
  const { json } = await request('GET', `${gateway.admin}/one/_config`);
  const config = json as Record<string, unknown>;
  assert.equal(config['revs_limit'], '${REVS_NOT_SET:-33}');
  assert.equal(config['sync'], 'function (doc) { channel(doc.c) }');
  const session = await request('GET', `${gateway.public}/one/_session`, { as: 'ann:letmein' });
  assert.equal(session.status, 200);
  const two = await request('GET', `${gateway.admin}/two/`);
  assert.match(two.text, /"Offline"/u);
});

test('upgrade-config does nothing with a file that is wrong, nor without a gateway', async () => {
  await write('bad.json', '{"databases": {"a": {"revs_limit": 0}}}');
  const wrong = await run('upgrade-config', 'bad.json', '--out', 'x.json');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /databases\.a\.revs_limit/u);
  await assert.rejects(readFile(path.join(folder.path, 'x.json')), { code: 'ENOENT' });
  await write('ok.json', '{"databases": {"a": {}}}');
  const alone = await run('upgrade-config', 'ok.json', '--apply', '--admin', 'http://127.0.0.1:9');
  assert.equal(alone.code, 1);
  assert.match(alone.stderr, /no answer from the admin port at http:\/\/127\.0\.0\.1:9/u);
});
