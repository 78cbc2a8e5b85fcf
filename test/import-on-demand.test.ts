import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PASSWORD, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { SharedBucket } from './helpers/shared-bucket.ts';
import { until } from './helpers/until.ts';

// What applications write into the bucket of a database, where no node imports by itself: it comes
// in when a request meets it.

const NO_TYPE = 'function (doc) { return doc.type !== "no"; }';
const TEXT = { 'content-type': 'text/plain' };

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

const share = (
  name: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<SharedBucket> => SharedBucket.create(gateway, name, { import_docs: false, ...config });

describe('with import_docs false', { concurrency: false }, () => {
  test('a document is imported by the first read, and is in the feed from then on', async () => {
    using shared = await share('read');
    const { app } = shared;
    const rev = await shared.put('old', { n: 1 });
    app.put('old', { n: 2 });
    app.put('new', { n: 1 });
    assert.deepEqual(await shared.changes(), [`old ${rev}`], 'the feed does not import');
    assert.doesNotMatch((await shared.get('_all_docs?include_docs=true')).text, /"n":/);
    assert.doesNotMatch((await shared.get('_changes?include_docs=true')).text, /"n":2/);
    const { import_docs: docs, backlog, nodes } = await shared.status();
    assert.deepEqual([docs, backlog, nodes], [false, 2, []]);
    const made = await shared.revOf('new');
    assert.match(made, /^1-/);
    assert.deepEqual(await shared.changes(), [`old ${rev}`, `new ${made}`]);
    const edited = await shared.revOf('old');
    assert.match(edited, /^2-/);
    assert.deepEqual(await shared.changes(), [`new ${made}`, `old ${edited}`]);
    assert.equal((await shared.status()).backlog, 0);
  });

  test('a client’s write goes on from what an application wrote, or is a conflict', async () => {
    using shared = await share('write');
    const { db, app } = shared;
    const rev = await shared.put('edited', { n: 1 });
    app.put('edited', { n: 2 });
    app.put('made', { n: 1 });
    const put = (path: string): Promise<Answer> =>
      request('PUT', `${db.admin}/${path}`, { json: { n: 3 } });
    for (const path of [`edited?rev=${rev}`, 'made', 'edited'])
      assert.equal((await put(path)).status, 409, path);
    const between = await shared.revOf('edited');
    assert.match(between, /^2-/);
    assert.match(await shared.put('edited', { n: 3 }, between), /^3-/);
    const { _revisions: revisions } = await shared.read('edited?revs=true');
    assert.deepEqual(
      (revisions as { ids: string[] }).ids.slice(1),
      [between, rev].map((each) => each.slice(2)),
    );
    app.remove('edited');
    assert.equal((await put('edited?rev=3-x')).status, 409);
    assert.equal((await shared.read('edited')).reason, 'deleted');
    assert.match(await shared.put('edited', { n: 5 }), /^5-/);
  });

  test('a deletion that a read meets is told to who had the document', async () => {
    using shared = await share('deleted');
    const { db, app } = shared;
    await putUser(db, 'ann', { admin_channels: ['a'] });
    const as = `ann:${PASSWORD}`;
    const rows = async (): Promise<unknown> => {
      const { json } = await request('GET', `${db.public}/_changes?since=0`, { as });
      const { results } = json as { results: { id: string; removed?: unknown; deleted?: true }[] };
      return results.filter(({ id }) => id === 'd').map((row) => [row.removed, row.deleted]);
    };
    await shared.put('d', { channels: ['a'] });
    app.remove('d');
    assert.deepEqual(await rows(), [[undefined, undefined]], 'the feed does not import');
    await request('GET', `${db.public}/d`, { as });
    assert.equal((await shared.read('d')).reason, 'deleted');
    assert.deepEqual(await rows(), [[['a'], true]]);
    assert.match((await shared.changes())[0] ?? '', /^d 2-/);
  });

  test('of many who meet it at once one imports it, and the others find it done', async () => {
    using shared = await share('many');
    const { app } = shared;
    for (let n = 1; n <= 3; n++) {
      app.put('d', { n });
      const answers = await Promise.all(Array.from({ length: 20 }, () => shared.read('d')));
      assert.deepEqual(new Set(answers.map((each) => each['n'])), new Set([n]));
      assert.equal(new Set(answers.map(({ _rev }) => _rev)).size, 1);
    }
    assert.match(await shared.revOf('d'), /^3-/);
    assert.equal(await shared.figure('shared_bucket_import_import_count'), 3);
    assert.ok((await shared.figure('shared_bucket_import_import_cancel_cas')) > 0);
  });

  test('every way to a document by its id imports it', async () => {
    using shared = await share('ways');
    const { db, app } = shared;
    let count = 0;
    const ways: Readonly<Record<string, (id: string) => Promise<Answer>>> = {
      head: (id) => request('HEAD', `${db.admin}/${id}`),
      'open_revs of leaves': (id) => shared.get(`${id}?open_revs=all`),
      'open_revs of one': (id) => shared.get(`${id}?open_revs=["1-a"]`),
      'an attachment': (id) => shared.get(`${id}/none`),
      _raw: (id) => shared.get(`_raw/${id}`),
      _revtree: (id) => shared.get(`_revtree/${id}`),
      _channel_history: (id) => shared.get(`_channel_history/${id}`),
      'compact of its history': (id) => shared.post(`_channel_history/${id}/compact`, {}),
      _bulk_get: (id) => shared.post('_bulk_get', { docs: [{ id }] }),
      _bulk_docs: (id) => shared.post('_bulk_docs', { docs: [{ _id: id, n: 9 }] }),
      'a pushed revision': (id) =>
        shared.post('_bulk_docs', { new_edits: false, docs: [{ _id: id, _rev: '1-a', n: 9 }] }),
      _revs_diff: (id) => shared.post('_revs_diff', { [id]: ['1-a'] }),
      'a deletion': (id) => request('DELETE', `${db.admin}/${id}?rev=1-a`),
      'an attachment that is put': (id) =>
        request('PUT', `${db.admin}/${id}/f?rev=1-a`, { body: 'x', headers: TEXT }),
    };
    for (const [way, take] of Object.entries(ways)) {
      const id = `d${count++}`;
      app.put(id, { way });
      const answer = await take(id);
      assert.ok(answer.status < 500, `${way}: ${answer.status} ${answer.text}`);
      const row = (await shared.changes()).at(-1) ?? '';
      assert.match(row, new RegExp(`^${id} 1-[0-9a-f]{32}$`), way);
      assert.equal((await shared.read(id))['way'], way);
    }
    app.put('purged', { n: 1 });
    const purged = await shared.post('_purge', { purged: ['*'] });
    assert.deepEqual(purged.json, { purged: { purged: ['*'] } });
    assert.equal(app.row('purged'), undefined);
    assert.equal((await shared.status()).backlog, 0);
  });

  test('a reader without access causes the import, and is told nothing', async () => {
    using shared = await share('reader');
    const { db, app } = shared;
    await putUser(db, 'ann', { admin_channels: ['a'] });
    app.put('hers', { channels: ['a'] });
    app.put('others', { channels: ['b'] });
    const read = (id: string): Promise<Answer> =>
      request('GET', `${db.public}/${id}`, { as: `ann:${PASSWORD}` });
    assert.equal((await read('hers')).status, 200);
    assert.equal((await read('others')).status, 403);
    assert.equal((await shared.changes()).length, 2);
  });

  test('a client replaces what the filter refuses, and only by an edit that ends it', async () => {
    using shared = await share('refused', { import_filter: NO_TYPE, allow_conflicts: true });
    const { db, app } = shared;
    app.put('new', { type: 'no' });
    assert.deepEqual([(await shared.get('new')).status, await shared.changes()], [404, []]);
    assert.match(await shared.put('new', { n: 1 }), /^1-/);
    const rev = await shared.put('a', { _attachments: { f: { data: 'aGVsbG8=' } } });
    app.put('a', { type: 'no' });
    assert.equal((await shared.get('a/f')).status, 404);
    const docs = [{ _id: 'a', _rev: '1-zz', n: 1 }];
    const pushed = await shared.post('_bulk_docs', { new_edits: false, docs });
    assert.match(pushed.text, /conflict/);
    const attached = await request('PUT', `${db.admin}/a/g?rev=${rev}`, {
      body: 'x',
      headers: TEXT,
    });
    assert.equal(attached.status, 404, 'the body of that revision is gone');
    const stub = { _attachments: { f: { stub: true, revpos: 1 } }, n: 2 };
    assert.match(await shared.put('a', stub, rev), /^2-/);
    assert.equal((await shared.get('a/f')).text, 'hello');
    app.put('a', { type: 'no' });
    const gone = await request('DELETE', `${db.admin}/a`);
    assert.equal(gone.status, 200, gone.text);
    assert.equal(app.row('a'), undefined);
    assert.equal((await shared.read('a')).reason, 'deleted');
  });

  test('of a document with a conflict an application’s deletion lets the other branch win', async () => {
    using shared = await share('branches', { allow_conflicts: true });
    const { app } = shared;
    const docs = [
      { _id: 'a', _rev: '1-b', branch: 'b' },
      { _id: 'a', _rev: '1-c', branch: 'c' },
    ];
    await shared.post('_bulk_docs', { new_edits: false, docs });
    app.remove('a');
    const { json } = await shared.get('a');
    assert.deepEqual(json, { _id: 'a', _rev: '1-b', branch: 'b' });
    assert.deepEqual(JSON.parse(app.row('a')?.body ?? ''), { branch: 'b' });
    app.put('a', { branch: 'by app' });
    assert.match(await shared.revOf('a'), /^2-/);
  });
});

test('options are changed without a restart', async () => {
  using shared = await share('options');
  const { app } = shared;
  app.put('a', { n: 1 });
  await shared.configure({ import_docs: 'continuous', import_partitions: 3 });
  assert.equal((await shared.status()).import_docs, true);
  await shared.untilChanges(1);
  await until('three partitions are held', async () => {
    const { partitions } = await shared.status();
    const isHeld = partitions.every(({ node }) => node !== undefined);
    return partitions.length === 3 && isHeld ? true : undefined;
  });
  await shared.configure({ import_docs: false });
  app.put('a', { n: 2 });
  app.put('b', { n: 1 });
  assert.equal((await shared.get('b')).status, 200);
  assert.match((await shared.changes())[0] ?? '', /^a 1-/);
  await shared.configure({ enable_shared_bucket_access: false });
  for (const id of ['a', 'c']) {
    app.put(id, { secret: true });
    const read = await shared.read(id);
    assert.deepEqual([read.status, read.reason], [404, 'Not imported']);
  }
  assert.equal((await shared.status()).enabled, false);
  assert.equal((await shared.status()).import_docs, false, 'whatever import_docs says');
  assert.equal((await shared.get('b')).status, 200);
  assert.doesNotMatch((await shared.get('_changes?include_docs=true')).text, /secret/);
  await shared.configure({ enable_shared_bucket_access: true });
  assert.match(await shared.revOf('a'), /^2-/);
});

test('import_backup_old_rev keeps the body that an application wrote over', async () => {
  using shared = await share('backup', { import_backup_old_rev: true });
  const { app } = shared;
  const first = await shared.put('a', { n: 1 });
  const second = await shared.put('a', { n: 2 }, first);
  app.run(`INSERT OR REPLACE INTO documents (key, body) VALUES ('a', '{"n":3}')`);
  const third = await shared.revOf('a');
  const bodies = async (...revs: readonly string[]): Promise<readonly unknown[]> => {
    const found: unknown[] = [];
    for (const rev of revs) found.push((await shared.read(`a?rev=${rev}`))['n']);
    return found;
  };
  assert.deepEqual(await bodies(first, second, third), [1, 2, 3]);
  app.put('a', { n: 4 });
  const fourth = await shared.revOf('a');
  assert.deepEqual(await bodies(third, fourth), [3, 4]);
  app.remove('a');
  assert.equal((await shared.get('a')).status, 404);
  assert.deepEqual(await bodies(fourth), [4]);
  // With the option off, and superseded bodies not kept, nothing is left of the copies.
  const again = await shared.put('a', { n: 6 });
  await shared.configure({ import_backup_old_rev: false, old_rev_expiry_seconds: 0 });
  await shared.put('a', { n: 7 }, again);
  assert.equal((await shared.get(`a?rev=${again}`)).status, 404);
  app.put('a', { n: 8 });
  assert.equal((await shared.read('a'))['n'], 8);
});
