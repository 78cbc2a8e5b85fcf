import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { createDatabase } from '../helpers/database.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { FeedLines } from '../helpers/feed-lines.ts';
import { ForeignWriter } from '../helpers/foreign-writer.ts';
import { request } from '../helpers/http.ts';
import type { GatewayProcess } from '../helpers/run-gateway.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// Applications that hold the bucket of a running gateway locked, die in the middle of a write, load
// more than fits into memory at once, or take away what the gateway put there to notice them.

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: folder.path });
});
after(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const fileOf = (name: string): string => `${folder.path}/${name}.sqlite`;

interface ImportStatus {
  readonly backlog: number;
  readonly recheck?: unknown;
}

async function untilImported({ admin }: TestDatabase, withinMs = 30_000): Promise<void> {
  await until(
    'nothing waits',
    async () => {
      const { json } = await request('GET', `${admin}/_import`);
      const { backlog, recheck } = json as unknown as ImportStatus;
      return backlog === 0 && recheck === undefined ? true : undefined;
    },
    { withinMs },
  );
}

const statusOf = async ({ admin }: TestDatabase, id: string): Promise<number> =>
  (await request('GET', `${admin}/${id}`)).status;

test('while an application holds a transaction open, reads and feeds go on, a write is 503', async () => {
  const db = await createDatabase(gateway, 'held', {});
  const state = async () =>
    (await request('GET', `${db.admin}/?verbose=true`)).json as {
      readonly state: string;
      readonly feed: { readonly state: string; readonly reason?: string };
    };
  await request('PUT', `${db.admin}/mine`, { json: { n: 1 } });
  await using feed = await FeedLines.open(`${db.admin}/_changes`);
  await feed.next();
  using application = new DatabaseSync(fileOf('held'));
  application.exec(`BEGIN IMMEDIATE;
    INSERT INTO documents (key, body) VALUES ('theirs', '{}')`);
  const write = request('PUT', `${db.admin}/later`, { json: {} });
  for (let n = 0; n < 20; n += 1) assert.equal(await statusOf(db, 'mine'), 200);
  assert.equal(await statusOf(db, 'theirs'), 404);
  assert.equal((await request('GET', `${db.admin}/_changes`)).status, 200);
  const another = await request('PUT', `${db.admin}/another`, { json: {} });
  for (const refused of [await write, another]) {
    assert.equal(refused.status, 503, refused.text);
    assert.match(refused.text, /locked by another process/);
  }
  const held = await state();
  assert.deepEqual([held.state, held.feed.state], ['Online', 'retrying']);
  assert.match(held.feed.reason ?? '', /locked by another process/);
  assert.match(gateway.log(), /bucket is locked by another process: writes fail, reads go on/);
  assert.equal((await request('GET', `${db.admin}/_changes?include_docs=true`)).status, 200);
  application.exec('COMMIT');
  assert.equal((await feed.next())?.id, 'theirs');
  assert.equal((await request('PUT', `${db.admin}/later`, { json: {} })).status, 201);
  await until('it is as before', async () =>
    (await state()).feed.state === 'following' ? true : undefined,
  );
  assert.match(gateway.log(), /the bucket can be written again/);
});

test('of an application that is killed in a transaction, nothing is imported', async () => {
  const db = await createDatabase(gateway, 'killed', {});
  const program = spawn('sqlite3', [fileOf('killed')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(program, 'exit');
  // NOTE: without a wait for the gateway's lock, BEGIN may fail and the row would stand by itself.
  program.stdin.write(`.bail on
.timeout 10000
BEGIN IMMEDIATE;
    INSERT INTO documents (key, body) VALUES ('half', '{}');
    SELECT 'written';\n`);
  await once(program.stdout, 'data');
  program.kill('SIGKILL');
  await ended;
  using application = new ForeignWriter(folder.path, 'killed');
  application.put('whole', {});
  await untilImported(db);
  assert.deepEqual([await statusOf(db, 'half'), await statusOf(db, 'whole')], [404, 200]);
});

test('a load of one transaction comes in whole, and clients are served meanwhile', async () => {
  const rows = Number(process.env['IMPORT_LOAD_ROWS'] ?? 10_000);
  const db = await createDatabase(gateway, 'load', {});
  await request('PUT', `${db.admin}/mine`, { json: { n: 1 } });
  using application = new DatabaseSync(fileOf('load'), { timeout: 10_000 });
  application.exec(`INSERT INTO documents (key, body)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    SELECT 'k' || i, json_object('n', i) FROM n`);
  let slowestMs = 0;
  await until(
    'all is there',
    async () => {
      const began = performance.now();
      assert.equal(await statusOf(db, 'mine'), 200);
      slowestMs = Math.max(slowestMs, performance.now() - began);
      const { json } = await request('GET', `${db.admin}/`);
      return (json as { update_seq: number }).update_seq === rows + 1 ? true : undefined;
    },
    { withinMs: 30_000 + rows },
  );
  assert.ok(slowestMs < 2000, `a read took ${slowestMs} ms`);
  const { json } = await request('GET', `${db.admin}/_changes?limit=${rows + 10}`);
  const { results } = json as unknown as { results: { changes: { rev: string }[] }[] };
  assert.equal(results.length, rows + 1);
  assert.ok(results.every(({ changes: [change] }) => change?.rev.startsWith('1-')));
});

test('triggers that an application drops are made again, and what it wrote comes in', async () => {
  const db = await createDatabase(gateway, 'dropped', {});
  for (const id of ['kept', 'changed', 'deleted'])
    await request('PUT', `${db.admin}/${id}`, { json: { n: 1 } });
  using application = new DatabaseSync(fileOf('dropped'), { timeout: 10_000 });
  const triggers = application
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'documents'`)
    .all();
  const drops = triggers.map(({ name }) => `DROP TRIGGER ${String(name)};`).join('');
  application.exec(`BEGIN IMMEDIATE; ${drops} DROP TABLE foreign_writes;
    UPDATE documents SET body = '{"n":2}' WHERE key = 'changed';
    DELETE FROM documents WHERE key = 'deleted';
    INSERT INTO documents (key, body) VALUES ('new', '{"n":2}'); COMMIT`);
  const revOf = async (id: string): Promise<string | undefined> => {
    const { json } = await request('GET', `${db.admin}/_changes`);
    const { results } = json as unknown as {
      results: { id: string; changes: { rev: string }[] }[];
    };
    return results.find((row) => row.id === id)?.changes[0]?.rev.split('-')[0];
  };
  await until('they are imported', async () => ((await revOf('new')) === '1' ? true : undefined));
  await untilImported(db);
  const revs = await Promise.all(['kept', 'changed', 'deleted', 'new'].map(revOf));
  assert.deepEqual(revs, ['1', '2', '2', '1']);
  assert.match(gateway.log(), /documents_foreign_insert.*foreign writes was missing in the file/);
  application.exec(`INSERT INTO documents (key, body) VALUES ('newer', '{}')`);
  await until('it is noticed as before', async () => await revOf('newer'));
});

test('a table of documents that an application drops takes its database away, and no other', async () => {
  const db = await createDatabase(gateway, 'gone', { feed_lost_offline_secs: 1 });
  const other = await createDatabase(gateway, 'spared', {});
  for (const { admin } of [db, other]) await request('PUT', `${admin}/d`, { json: {} });
  const began = gateway.log().length;
  {
    using application = new DatabaseSync(fileOf('gone'), { timeout: 10_000 });
    application.exec('DROP TABLE documents');
  }
  const told = await until('it is offline', async () => {
    const { json } = await request('GET', `${db.admin}/`);
    const { state, state_reason: reason } = json as { state: string; state_reason?: string };
    return state === 'Offline' ? reason : undefined;
  });
  assert.match(told ?? '', /the table documents of the bucket was dropped/);
  for (const [method, path] of [
    ['GET', 'd'],
    ['PUT', 'e'],
  ] as const) {
    const json = method === 'PUT' ? { json: {} } : {};
    assert.equal((await request(method, `${db.admin}/${path}`, json)).status, 503);
  }
  assert.match(gateway.log().slice(began), /feed lost.*the table documents|table documents.*lost/s);
  const refused = await request('POST', `${db.admin}/_online`);
  assert.equal(refused.status, 503);
  assert.match(refused.text, /the table documents of the bucket was dropped/);
  assert.equal((await request('GET', `${other.admin}/d`)).status, 200);
  assert.equal((await request('PUT', `${other.admin}/e`, { json: {} })).status, 201);
});
