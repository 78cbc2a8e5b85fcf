import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { FeedLines } from './helpers/feed-lines.ts';
import { request } from './helpers/http.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// Databases of a start-up file, through a gateway in a process of its own, and configurations that
// a killed process was changing.

const GUEST = { GUEST: { disabled: false, admin_channels: ['*'] } };
const channelTo = (name: string): string => `function(doc) { channel("${name}"); }`;

interface Fixture extends AsyncDisposable {
  readonly file: string;
  start(): Promise<GatewayProcess>;
  write(json: object): Promise<void>;
}

async function fixture(): Promise<Fixture> {
  const folder = await temporaryFolder();
  const file = path.join(folder.path, 'old.json');
  return {
    file,
    start: () => runGateway({ dataDir: path.join(folder.path, 'data'), flags: ['--config', file] }),
    write: (json) => writeFile(file, JSON.stringify(json)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function get(url: string): Promise<Record<string, unknown>> {
  const { status, text, json } = await request('GET', url);
  assert.equal(status, 200, text);
  return json as Record<string, unknown>;
}

const statesOf = async ({ urls }: GatewayProcess): Promise<unknown> =>
  Object.fromEntries(
    (
      (await request('GET', `${urls.admin}/_all_dbs?verbose=true`)).json as {
        db_name: string;
        state: string;
      }[]
    ).map(({ db_name: name, state }) => [name, state]),
  );

test('databases of an older file live on this node: what REST changes ends with the process', async () => {
  await using at = await fixture();
  await writeFile(path.join(path.dirname(at.file), 'two.js'), channelTo('two'));
  const ann = { password: 'letmein', admin_channels: ['a'], admin_roles: ['staff'] };
  await at.write({
    interface: '127.0.0.1:9',
    log: ['Config'],
    databases: {
      one: { server: 'walrus:', bucket: 'b1', sync: channelTo('one'), users: { ...GUEST, ann } },
      two: { bucket: 'b2', sync: 'two.js', offline: true, roles: { staff: {} } },
    },
  });
  {
    await using gateway = await at.start();
    const { admin, public: clients } = gateway.urls;
    assert.equal((await get(`${admin}/`))['persistent_config'], false);
    assert.deepEqual(await statesOf(gateway), { one: 'Online', two: 'Offline' });
    const sync = await request('GET', `${admin}/two/_config/sync`);
    assert.equal(sync.text, channelTo('two'));
    const session = await request('GET', `${clients}/one/_session`, { as: 'ann:letmein' });
    assert.equal(session.status, 200);
    assert.equal((await request('PUT', `${clients}/one/d`, { json: {} })).status, 201);
    await request('POST', `${admin}/one/_config`, { json: { revs_limit: 77 } });
    await request('PUT', `${admin}/one/_user/ann`, { json: { admin_channels: ['b'] } });
    await request('POST', `${admin}/two/_online`);
    await request('PUT', `${admin}/three/`, { json: {} });
    assert.deepEqual(await statesOf(gateway), { one: 'Online', three: 'Online', two: 'Online' });
  }
  await using gateway = await at.start();
  const { admin } = gateway.urls;
  assert.deepEqual(await statesOf(gateway), { one: 'Online', two: 'Offline' });
  assert.equal((await get(`${admin}/one/_config`))['revs_limit'], undefined);
  assert.deepEqual(
    (await get(`${admin}/one/_user/ann`))['admin_channels'],
    ['a'],
    'the file rules',
  );
  assert.equal((await request('GET', `${admin}/one/d`)).status, 200, 'documents stay');
});

test('SIGHUP and POST _config/reload apply the file, without touching other databases', async () => {
  await using at = await fixture();
  const calm = { bucket: 'calm', users: GUEST };
  const databases = {
    calm,
    live: { bucket: 'live', users: GUEST, sync: channelTo('one') },
    gone: { bucket: 'gone' },
    moves: { bucket: 'm1' },
  };
  await at.write({ log: ['Config'], databases });
  await using gateway = await at.start();
  const { admin, public: clients } = gateway.urls;
  await request('PUT', `${admin}/byhand/`, { json: {} });
  await using feed = await FeedLines.open(`${clients}/calm/_changes?since=0`);
  await at.write({
    log: ['Config', 'HTTP'],
    pretty: true,
    databases: {
      calm,
      live: { bucket: 'live', users: GUEST, sync: channelTo('two'), roles: { staff: {} } },
      moves: { bucket: 'm2' },
      fresh: { bucket: 'fresh', offline: true },
    },
  });
  process.kill(gateway.pid, 'SIGHUP');
  await until('the file was read again', () =>
    gateway.log().includes('the start-up file was read again') ? true : undefined,
  );
  const states = {
    byhand: 'Online',
    calm: 'Online',
    fresh: 'Offline',
    live: 'Online',
    moves: 'Online',
  };
  assert.deepEqual(await statesOf(gateway), states);
  assert.equal((await get(`${admin}/moves/_config`))['bucket'], 'm2');
  assert.equal((await get(`${admin}/live/_config`))['sync'], channelTo('two'));
  assert.deepEqual((await request('GET', `${admin}/live/_role/`)).json, ['staff']);
  assert.deepEqual(await get(`${admin}/_logging`), { Config: true, HTTP: true });
  await request('PUT', `${admin}/calm/d`, { json: {} });
  assert.equal((await feed.rowOf('d')).id, 'd', 'the other database never noticed');

  const again = await request('POST', `${admin}/_config/reload`);
  assert.equal(again.status, 200, again.text);
  const nothing = { added: [], changed: [], removed: [] };
  assert.deepEqual(again.json, { databases: nothing, restart_needed: ['api.pretty'] });
});

test('a database that was taken offline over REST stays so when the file changes it', async () => {
  await using at = await fixture();
  await at.write({ databases: { db: { revs_limit: 30 }, other: {} } });
  await using gateway = await at.start();
  const { admin } = gateway.urls;
  await request('POST', `${admin}/db/_offline`);
  await request('DELETE', `${admin}/other/`);
  await at.write({ databases: { db: { revs_limit: 31 } } });
  const reload = await request('POST', `${admin}/_config/reload`);
  assert.equal(reload.status, 200, reload.text);
  assert.deepEqual(await statesOf(gateway), { db: 'Offline' });
  assert.equal((await get(`${admin}/db/_config`))['revs_limit'], 31);
  await at.write({ databases: { db: { revs_limit: 31, offline: false } } });
  await request('POST', `${admin}/_config/reload`);
  assert.deepEqual(await statesOf(gateway), { db: 'Online' }, 'unless it says so');
});

test('a file that is wrong changes nothing, and all that is wrong is told', async () => {
  await using at = await fixture();
  await at.write({ databases: { db: { revs_limit: 30 } } });
  await using gateway = await at.start();
  const { admin } = gateway.urls;
  const before = (await request('GET', `${admin}/db/_config`)).headers.get('etag');
  const reload = () => request('POST', `${admin}/_config/reload`);
  await at.write({
    adminInterface: 1,
    databases: {
      db: { revs_limit: 31 },
      a: { sync: 'function (' },
      b: { sync: 'absent.js' },
      c: { users: { u: { password: 'x' } } },
      d: { revs_limit: 0 },
    },
  });
  const wrong = await reload();
  assert.equal(wrong.status, 400);
  const expected = [
    /databases\.a\.sync: .*line 1/u,
    /databases\.b\.sync: cannot be read from the file/u,
    /databases\.c\.users\.u: a password has at least 3/u,
    /databases\.d\.revs_limit: must be/u,
  ];
  for (const problem of expected) assert.match(wrong.text, problem);
  const others = [
    [{ databases: { db: {}, x: { bucket: '../x' } } }, /databases\.x\.bucket: /u],
    [{ api: {} }, /databases: whether the file has them can only be changed with a restart/u],
  ] as const;
  for (const [json, reason] of others) {
    await at.write(json);
    const refused = await reload();
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.text, reason);
  }
  await writeFile(at.file, '{"databases": {');
  assert.match((await reload()).text, /line 1, column/u);
  process.kill(gateway.pid, 'SIGHUP');
  await until('it is told in the log', () =>
    gateway.log().includes('could not be read again') ? true : undefined,
  );
  assert.deepEqual(await statesOf(gateway), { db: 'Online' });
  assert.equal((await request('GET', `${admin}/db/_config`)).headers.get('etag'), before);
});

test('kill -9 in the middle of changes: each configuration is whole, and none that was told is lost', async () => {
  await using folder = await temporaryFolder();
  const dataDir = folder.path;
  const config = (n: number) => ({ revs_limit: n, session_cookie_name: `c${n}`, sync: padded(n) });
  let n = 100;
  let told = n;
  for (let round = 0; round < 2; round++) {
    const gateway = await runGateway({ dataDir });
    const { admin } = gateway.urls;
    if (round === 0) await request('PUT', `${admin}/db/`, { json: config(n) });
    let changes = 0;
    const changing = (async () => {
      for (;;) {
        const { status } = await request('PUT', `${admin}/db/_config`, { json: config(n + 1) });
        assert.equal(status, 201);
        n += 1;
        told = n;
        changes += 1;
      }
    })().catch((cause: unknown) => {
      if (cause instanceof assert.AssertionError) throw cause;
      n += 1; // It may have been stored: the next one is another.
    });
    await until('some changes were made', () => (changes > 2 + round * 5 ? true : undefined));
    await gateway.stop('SIGKILL');
    await changing;
    await using after = await runGateway({ dataDir });
    const url = `${after.urls.admin}/db/_config`;
    const { revs_limit: found, session_cookie_name: name, sync } = await get(url);
    assert.ok(found === told || found === told + 1, `${String(found)} after ${told} was told`);
    assert.deepEqual([name, sync], [`c${String(found)}`, padded(Number(found))]);
    const { versions } = (await get(`${url}/history`)) as {
      versions: { version: number; config: { revs_limit: number; sync: string } }[];
    };
    for (const [index, { version, config: kept }] of versions.entries()) {
      assert.equal(version, versions.length - index, 'no version is missing');
      assert.equal(kept.sync, padded(kept.revs_limit));
    }
    n = Number(found);
    told = n;
  }
});

/** Some pages of a SQLite file. */
function padded(n: number): string {
  return `function (doc) { channel("c${n}"); /* ${'x'.repeat(20_000)} */ }`;
}
