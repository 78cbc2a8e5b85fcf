import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { FeedLines } from './helpers/feed-lines.ts';
import { ForeignWriter } from './helpers/foreign-writer.ts';
import { request } from './helpers/http.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import type { ImportStatus } from './helpers/shared-bucket.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// The import of a bucket that several processes share, that was there before, or was written while
// no gateway ran.

const run = promisify(execFile);
const DB = 'shared';
const FILTER = 'function (doc) { return doc.type !== "no"; }';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const nodes = new Set<GatewayProcess>();

before(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  await Promise.all([...nodes].map((node) => node.stop('SIGKILL')));
  nodes.clear();
});
after(async () => folder?.[Symbol.asyncDispose]());

async function start(dataDir: string): Promise<GatewayProcess> {
  const node = await runGateway({ dataDir });
  nodes.add(node);
  return node;
}

async function end(node: GatewayProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  nodes.delete(node);
  await node.stop(signal);
}

async function create(node: GatewayProcess, config: object): Promise<void> {
  const created = await request('PUT', `${node.urls.admin}/${DB}/`, { json: config });
  assert.equal(created.status, 201, created.text);
}

async function status({ urls }: GatewayProcess): Promise<ImportStatus | undefined> {
  const answer = await request('GET', `${urls.admin}/${DB}/_import`);
  return answer.status === 200 ? (answer.json as unknown as ImportStatus) : undefined;
}

async function untilStatus(
  node: GatewayProcess,
  what: string,
  isSo: (status: ImportStatus) => boolean,
): Promise<ImportStatus> {
  return until(what, async () => {
    const now = await status(node);
    return now !== undefined && isSo(now) ? now : undefined;
  });
}

const byNumber = (a: number, b: number): number => a - b;

const untilShares = (node: GatewayProcess, ...shares: readonly number[]): Promise<ImportStatus> =>
  untilStatus(node, `shares of ${shares.join(', ')}`, (now) => {
    const held = now.nodes.map(({ partitions }) => partitions);
    return held.toSorted(byNumber).join() === shares.toSorted(byNumber).join();
  });

async function changes({ urls }: GatewayProcess): Promise<readonly string[]> {
  const { json } = await request('GET', `${urls.admin}/${DB}/_changes`);
  const { results } = json as { results: { id: string; changes: { rev: string }[] }[] };
  return results.map(({ id, changes: [change] }) => `${id} ${change?.rev.split('-')[0]}`);
}

async function imports({ urls }: GatewayProcess): Promise<number> {
  const { text } = await request('GET', `${urls.metrics}/metrics`);
  const found = /^sgw_shared_bucket_import_import_count\{database="shared"\} (\d+)$/m.exec(text);
  return Number(found?.[1]);
}

test('what the sqlite3 program writes while no gateway runs is imported at the start', async () => {
  const dataDir = path.join(folder.path, 'down');
  const sqlite = (sql: string) => run('sqlite3', [path.join(dataDir, `${DB}.sqlite`), sql]);
  for (const docs of [true, false]) {
    const node = await start(dataDir);
    const { admin } = node.urls;
    const config = { import_docs: docs, import_filter: FILTER };
    if (docs) await create(node, config);
    else {
      const set = await request('POST', `${admin}/${DB}/_config`, { json: config });
      assert.ok(set.status < 300, set.text);
    }
    const id = (name: string): string => `${name}-${docs}`;
    for (const name of ['edited', 'deleted', 'untouched'])
      await request('PUT', `${admin}/${DB}/${id(name)}`, { json: { channels: ['old'] } });
    await end(node);
    await sqlite(`
      UPDATE documents SET body = json('{"channels":["new"]}') WHERE key = '${id('edited')}';
      DELETE FROM documents WHERE key = '${id('deleted')}';
      INSERT INTO documents (key, body) VALUES
        ('${id('made')}', '{"channels":["new"]}'), ('${id('kept-out')}', '{"type":"no"}');`);
    const again = await start(dataDir);
    const rows = async (): Promise<readonly string[]> =>
      (await changes(again)).filter((row) => row.includes(`-${docs} `)).toSorted();
    if (docs) {
      await untilStatus(again, 'nothing waits', ({ backlog }) => backlog === 0);
      assert.equal(await imports(again), 3);
      const told = [`deleted-${docs} 2`, `edited-${docs} 2`, `made-${docs} 1`];
      assert.deepEqual(await rows(), [...told, `untouched-${docs} 1`]);
      assert.equal((await status(again))?.rejected, 1);
    } else {
      assert.equal((await status(again))?.backlog, 4);
      const before = [`deleted-${docs} 1`, `edited-${docs} 1`];
      assert.deepEqual(await rows(), [...before, `untouched-${docs} 1`]);
      for (const [name, code] of [
        ['edited', 200],
        ['deleted', 404],
        ['made', 200],
        ['kept-out', 404],
      ] as const) {
        const read = await request('GET', `${again.urls.admin}/${DB}/${id(name)}`);
        assert.equal(read.status, code, name);
      }
      assert.equal(await imports(again), 3);
      const told = [`deleted-${docs} 2`, `edited-${docs} 2`, `made-${docs} 1`];
      assert.deepEqual(await rows(), [...told, `untouched-${docs} 1`]);
    }
    await end(again);
  }
});

test('nodes share the partitions, and take over those of one that was killed within 5 s', async () => {
  const dataDir = path.join(folder.path, 'nodes');
  const a = await start(dataDir);
  await create(a, { import_partitions: 8 });
  await untilShares(a, 8);
  const [b, c] = await Promise.all([start(dataDir), start(dataDir)]);
  await untilShares(a, 3, 3, 2);
  using app = new ForeignWriter(dataDir, DB);
  const count = 300;
  for (let n = 0; n < count; n++) app.put(`d${n}`, { n, channels: ['x'] });
  for (const node of [a, b, c])
    await untilStatus(node, 'nothing waits', ({ backlog }) => backlog === 0);
  const counts = await Promise.all([a, b, c].map(imports));
  assert.equal(
    counts.reduce((sum, each) => sum + each, 0),
    count,
    'each once',
  );
  for (const each of counts) assert.ok(each > 0, counts.join());
  assert.equal((await changes(a)).length, count);
  assert.ok((await changes(a)).every((row) => row.endsWith(' 1')));
  await using feed = await FeedLines.open(`${a.urls.admin}/${DB}/_changes?since=${count}`);
  await end(b, 'SIGKILL');
  const killedAt = performance.now();
  for (let n = 0; n < count; n++) app.put(`d${n}`, { n, again: true, channels: ['x'] });
  for (const left = new Set(Array.from({ length: count }, (_, n) => `d${n}`)); left.size > 0;) {
    const row = await feed.next();
    assert.match(row?.changes[0]?.rev ?? '', /^2-/);
    left.delete(row?.id ?? '');
  }
  const tookMs = performance.now() - killedAt;
  assert.ok(tookMs < 5000, `after ${tookMs} ms`);
  await untilShares(a, 4, 4);
  await end(c);
  await untilShares(a, 8);
});

test('a node without import_docs takes no part', async () => {
  const dataDir = path.join(folder.path, 'isolated');
  const a = await start(dataDir);
  await create(a, { import_docs: false });
  const b = await start(dataDir);
  using app = new ForeignWriter(dataDir, DB);
  app.put('d', {});
  const now = await untilStatus(b, 'it is queued', ({ backlog }) => backlog === 1);
  assert.deepEqual([now.nodes, now.partitions.length], [[], 16]);
  assert.equal((await request('GET', `${b.urls.admin}/${DB}/d`)).status, 200);
  const other = await request('GET', `${a.urls.admin}/${DB}/d`);
  assert.equal(other.status, 200);
  assert.equal((await status(a))?.backlog, 0);
});
