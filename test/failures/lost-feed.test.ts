import assert from 'node:assert/strict';
import { copyFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { FeedLines } from '../helpers/feed-lines.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import type { JsonValue } from '../helpers/http.ts';
import { request } from '../helpers/http.ts';
import { lockBucket } from '../helpers/lock-bucket.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// Buckets whose files are taken away, damaged or locked under a running gateway.

/** A file of which everything is still in its log is shorter. */
const NEW_FILE_BYTES = 64 * 1024;

type Json = { readonly [key: string]: JsonValue };
const object = (json: JsonValue) => json as Json;
const text = (json: JsonValue): string => (typeof json === 'string' ? json : JSON.stringify(json));

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(() => gateway[Symbol.asyncDispose]());

const fileOf = (name: string): string => `${gateway.dataDir}/${name}.sqlite`;
const url = (path: string): string => `${gateway.admin}/${path}`;
const send = (method: string, path: string, json?: unknown) =>
  request(method, url(path), json === undefined ? {} : { json });
const statusOf = async (method: string, path: string, json?: unknown) =>
  (await send(method, path, json)).status;

async function create(name: string, config: object = {}): Promise<void> {
  const answer = await send('PUT', `${name}/`, { bucket: name, ...config });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(await statusOf('PUT', `${name}/first`, {}), 201);
}

/** Of the admin interface, until it is as asked for. */
async function untilState(name: string, state: string): Promise<Json> {
  return until(
    `${name} is ${state}`,
    async () => {
      const told = object((await send('GET', `${name}/`)).json);
      return told['state'] === state ? told : undefined;
    },
    { withinMs: 30_000 },
  );
}

const feedOf = async (name: string): Promise<Json> =>
  object(object((await send('GET', `${name}/?verbose=true`)).json)['feed']);

/** What administrators see of all databases, which one that is in trouble does not keep away. */
async function overview(): Promise<Json> {
  const { status, json } = await send('GET', '_status');
  assert.equal(status, 200);
  return object(object(json)['databases']);
}

/** From a bucket that this test does not touch; nobody there ever notices. */
async function servesOn(name: string): Promise<void> {
  assert.equal(await statusOf('POST', `${name}/`, {}), 200);
  assert.equal(object((await overview())[name])['state'], 'Online');
}

// Each has buckets of its own, and waits most of the time.
describe('a bucket in trouble', { concurrency: true }, () => {
  test('a file that is replaced takes its database offline, and no other; it comes back with it', async () => {
    await create('calm');
    await create('taken', { feed_lost_offline_secs: 1 });
    await create('stranger');
    await send('DELETE', 'stranger/');
    await using elsewhere = await FeedLines.open(`${gateway.admin}/calm/_changes?since=0`);
    await using feed = await FeedLines.open(`${gateway.admin}/taken/_changes?since=0`);
    await feed.rowOf('first');
    await rename(fileOf('taken'), `${fileOf('taken')}.away`);
    const refused = await send('PUT', 'taken/lost', {});
    assert.equal(refused.status, 503);
    assert.match(refused.text, /the file of the bucket was removed/);
    await rename(fileOf('stranger'), fileOf('taken'));
    const told = await untilState('taken', 'Offline');
    assert.match(text(told['state_reason']), /^the feed of its bucket was lost: the file of the/);
    assert.equal(object(told['feed'])['state'], 'lost');
    assert.equal(await feed.next(), undefined, 'feeds end');
    assert.equal(await statusOf('GET', 'taken/first'), 503);
    assert.match(
      text(object((await overview())['taken'])['state_reason']),
      /lost: the file of the bucket was/,
    );
    await servesOn('calm');
    const figures = await request('GET', `${gateway.metrics}/metrics`);
    assert.match(figures.text, /sgw_database_feed_lost_count\{database="taken"\} 1/);

    // In its place is a bucket that has no such database.
    const elsewhereFile = await send('POST', 'taken/_online');
    assert.equal(elsewhereFile.status, 503);
    assert.match(elsewhereFile.text, /could not come online: .*taken/);
    await rename(`${fileOf('taken')}.away`, fileOf('taken'));
    for (let n = 0; n < 2; n++) assert.equal(await statusOf('POST', 'taken/_online'), 200);
    assert.equal(await statusOf('GET', 'taken/first'), 200);
    assert.equal(await statusOf('PUT', 'taken/second', {}), 201);
    assert.deepEqual((await feedOf('taken'))['state'], 'following');
    await send('PUT', 'calm/told', {});
    await elsewhere.rowOf('told');
  });

  test('a file that is gone is told by _online, and trouble that ends in time is only a retry', async () => {
    await create('patient', { feed_lost_offline_secs: 3600 });
    await create('hasty', { feed_lost_offline_secs: 1 });
    for (const name of ['patient', 'hasty']) await rename(fileOf(name), `${fileOf(name)}.away`);
    const retrying = await until('it is retried', async () => {
      const feed = await feedOf('patient');
      return feed['state'] === 'retrying' ? feed : undefined;
    });
    assert.equal(retrying['reason'], 'the file of the bucket was removed');
    assert.ok(Date.parse(text(retrying['since'])) <= Date.now());
    await untilState('hasty', 'Offline');
    const refused = await send('POST', 'hasty/_online');
    assert.equal(refused.status, 503);
    assert.match(refused.text, /could not come online: there is no bucket/);
    assert.equal(await statusOf('GET', 'patient/first'), 200, 'what is open can be read');
    for (const name of ['patient', 'hasty']) await rename(`${fileOf(name)}.away`, fileOf(name));
    await until('it is followed again', async () =>
      (await feedOf('patient'))['state'] === 'following' ? true : undefined,
    );
    assert.equal(object((await overview())['patient'])['state'], 'Online');
    assert.equal(await statusOf('PUT', 'patient/second', {}), 201);
    assert.equal(await statusOf('POST', 'hasty/_online'), 200);
    assert.equal(await statusOf('GET', 'hasty/first'), 200);
  });

  test('a file that is overwritten is given up, and served again once it is restored', async () => {
    await create('damaged', { feed_lost_offline_secs: 1 });
    // What was written is in the file itself once the last connection has closed it, which whoever
    // still looked into it may put off.
    await until('its log is in the file', async () => {
      for (const each of ['_offline', '_online']) await send('POST', `damaged/${each}`);
      return (await stat(fileOf('damaged'))).size > NEW_FILE_BYTES ? true : undefined;
    });
    await copyFile(fileOf('damaged'), `${fileOf('damaged')}.backup`);
    await writeFile(fileOf('damaged'), 'no bucket at all');
    const told = await untilState('damaged', 'Offline');
    assert.match(text(told['state_reason']), /not an SQLite database|damaged/);
    const refused = await send('POST', 'damaged/_online');
    assert.equal(refused.status, 503);
    assert.match(refused.text, /could not come online: /);
    await copyFile(`${fileOf('damaged')}.backup`, fileOf('damaged'));
    assert.equal(await statusOf('POST', 'damaged/_online'), 200);
    assert.equal(await statusOf('GET', 'damaged/first'), 200);
    assert.equal(await statusOf('PUT', 'damaged/second', {}), 201);
  });

  test('a lock of another process is waited for, shown, and given up when it lasts', async () => {
    await create('short', { feed_lost_offline_secs: 60 });
    await create('long', { feed_lost_offline_secs: 2 });
    await using short = await lockBucket(fileOf('short'));
    await using long = await lockBucket(fileOf('long'));
    assert.equal(await statusOf('GET', 'long/first'), 200, 'what is there can be read');
    const told = await untilState('long', 'Offline');
    assert.match(text(told['state_reason']), /lost: the bucket is locked by another process/);
    assert.equal(object((await overview())['short'])['state'], 'Online');
    const retrying = await until('it is retried', async () => {
      const feed = await feedOf('short');
      return feed['state'] === 'retrying' ? feed : undefined;
    });
    assert.equal(retrying['reason'], 'the bucket is locked by another process');
    await short.release();
    await until('it is as before', async () =>
      (await feedOf('short'))['state'] === 'following' ? true : undefined,
    );
    assert.equal(await statusOf('PUT', 'short/late', {}), 201);
    const refused = await send('POST', 'long/_online');
    assert.deepEqual([refused.status, /locked by another/.test(refused.text)], [503, true]);
    await long.release();
    assert.equal(await statusOf('POST', 'long/_online'), 200);
    assert.equal(await statusOf('PUT', 'long/late', {}), 201);
  });

  test('of two databases of a lost bucket each has its limit, and each is brought back', async () => {
    const scope = (name: string) => ({ scopes: { s: { collections: { [name]: {} } } } });
    for (const [name, secs] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      const json = { bucket: 'shared', feed_lost_offline_secs: secs, ...scope(name) };
      assert.equal(await statusOf('PUT', `${name}/`, json), 201);
      assert.equal(await statusOf('PUT', `${name}.s.${name}/d`, {}), 201);
    }
    await rename(fileOf('shared'), `${fileOf('shared')}.away`);
    await untilState('one', 'Offline');
    assert.equal(object((await send('GET', 'two/')).json)['state'], 'Online');
    await untilState('two', 'Offline');
    await rename(`${fileOf('shared')}.away`, fileOf('shared'));
    for (const name of ['two', 'one']) {
      assert.equal(await statusOf('POST', `${name}/_online`), 200);
      assert.equal(await statusOf('GET', `${name}.s.${name}/d`), 200);
      assert.equal(await statusOf('PUT', `${name}.s.${name}/e`, {}), 201);
    }
  });

  test('a bucket that cannot be opened at the start is told, and loaded when it can be', async () => {
    await using folder = await temporaryFolder();
    const file = `${folder.path}/b.sqlite`;
    {
      await using node = await runGateway({ dataDir: folder.path });
      for (const name of ['b', 'c']) {
        const created = await request('PUT', `${node.urls.admin}/${name}/`, { json: {} });
        assert.equal(created.status, 201);
      }
      await request('PUT', `${node.urls.admin}/b/d`, { json: {} });
    }
    await rename(file, `${file}.away`);
    await writeFile(file, 'no bucket at all');
    await using node = await runGateway({ dataDir: folder.path });
    const { admin } = node.urls;
    assert.equal((await request('GET', `${admin}/b/d`)).status, 404);
    assert.equal((await request('PUT', `${admin}/c/d`, { json: {} })).status, 201);
    const { json } = await request('GET', `${admin}/_all_dbs?verbose=true`);
    const listed = json as readonly Json[];
    assert.deepEqual(
      listed.map(({ db_name: name, bucket }) => name ?? `? of ${text(bucket)}`),
      ['c', 'demo', '? of b'],
    );
    const status = object((await request('GET', `${admin}/_status`)).json);
    const [trouble] = status['buckets_in_trouble'] as readonly Json[];
    assert.deepEqual(
      [trouble?.['bucket'], trouble?.['reason']],
      ['b', 'the file is not an SQLite database'],
    );
    assert.match(node.log(), /a bucket could not be loaded/);
    await rm(file);
    await rename(`${file}.away`, file);
    await until('it is loaded', async () =>
      (await request('GET', `${admin}/b/d`)).status === 200 ? true : undefined,
    );
    const after = object((await request('GET', `${admin}/_status`)).json);
    assert.equal(after['buckets_in_trouble'], undefined);
  });
});
