import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PASSWORD, putUser } from './helpers/database.ts';
import { FeedLines } from './helpers/feed-lines.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { ReadDocument, RejectedRow } from './helpers/shared-bucket.ts';
import { SharedBucket } from './helpers/shared-bucket.ts';
import { until } from './helpers/until.ts';

// What applications write into the bucket of a database, as it comes in by itself.

const NO_TYPE = 'function (doc) { return doc.type !== "no"; }';

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

const share = (
  name: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<SharedBucket> => SharedBucket.create(gateway, name, config);

describe('what an application writes', { concurrency: false }, () => {
  test('comes to a client that listens: a document, its edits and its deletion', async () => {
    using shared = await share('plain');
    const { db, app } = shared;
    await putUser(db, 'ann', { admin_channels: ['a'] });
    await using feed = await FeedLines.open(`${db.public}/_changes?since=0&include_docs=true`, {
      as: `ann:${PASSWORD}`,
    });
    app.put('one', { channels: ['a'], n: 1 });
    const first = await feed.rowOf('one');
    assert.match(first.changes[0]?.rev ?? '', /^1-/);
    assert.deepEqual(first.doc, { _id: 'one', _rev: first.changes[0]?.rev, channels: ['a'], n: 1 });
    app.put('one', { channels: ['a'], n: 2 });
    const second = await feed.rowOf('one');
    assert.match(second.changes[0]?.rev ?? '', /^2-/);
    assert.equal(second.doc?.['n'], 2);
    app.put('one', { channels: ['b'], n: 3 });
    assert.deepEqual((await feed.rowOf('one')).removed, ['a']);
    app.put('one', { channels: ['a'], n: 4 });
    await feed.rowOf('one');
    app.remove('one');
    const last = await feed.rowOf('one');
    assert.equal(last.deleted, true);
    assert.match(last.changes[0]?.rev ?? '', /^5-/);
    assert.equal((await shared.get('one')).status, 404);
    assert.equal(await shared.figure('shared_bucket_import_import_count'), 5);
    const { update_seq: newest } = await shared.read('');
    assert.equal(await shared.figure('shared_bucket_import_import_high_seq'), newest);
    assert.equal(await shared.figure('shared_bucket_import_import_partitions'), 16);
  });

  test('has the revision that a client’s write of it would have', async () => {
    using shared = await share('same');
    const first = await shared.put('client', { n: 1, a: [1, 'ü'] });
    const second = await shared.put('client', { n: 2 }, first);
    shared.app.put('app', '{ "n": 1,\n "a": [1, "ü"] }');
    assert.equal(await shared.revOf('app'), first);
    shared.app.put('app', { n: 2 });
    assert.equal(await shared.revOf('app'), second);
  });

  test('is judged as by an administrator, without an old document', async () => {
    using shared = await share('judged', {
      sync: `function (doc, oldDoc) {
        requireUser('nobody'); requireRole('none'); requireAccess('nothing'); requireAdmin();
        if (doc._deleted) { channel('deleted'); return; }
        channel('old-' + (oldDoc === null), doc._id, 'rev-' + doc._rev);
        access('ann', doc._id);
      }`,
    });
    const { db, app } = shared;
    await putUser(db, 'ann', {});
    const first = await shared.put('edited', { n: 1 });
    app.put('edited', { n: 2 });
    app.put('made', { n: 1 });
    assert.notEqual(await shared.revOf('edited'), first);
    for (const id of ['edited', 'made']) {
      const channels = new Set(await shared.channelsOf(id));
      assert.deepEqual(channels, new Set([id, 'old-true', `rev-${await shared.revOf(id)}`]));
    }
    assert.deepEqual((await shared.read('_user/ann'))['all_channels'], ['!', 'edited', 'made']);
    app.remove('made');
    assert.equal((await shared.get('made')).status, 404);
    assert.deepEqual((await shared.read('_user/ann'))['all_channels'], ['!', 'edited']);
  });

  test('over a tombstone brings the document back, whoever deleted it', async () => {
    using shared = await share('back');
    const { db, app } = shared;
    const rev = await shared.put('a', { n: 1 });
    await request('DELETE', `${db.admin}/a?rev=${rev}`);
    app.put('a', { n: 2 });
    app.put('b', { n: 1 });
    await shared.untilIdle();
    app.remove('b');
    await shared.untilIdle();
    app.put('b', { n: 2 });
    for (const id of ['a', 'b']) {
      const { _rev: now, n } = await shared.read(id);
      assert.match(now, /^3-/);
      assert.equal(n, 2);
    }
  });

  test('with the same body, or another expiry alone, makes no revision', async () => {
    using shared = await share('expiry');
    const { app } = shared;
    const rev = await shared.put('a', { n: 1 });
    const before = await shared.changes();
    app.put('a', '{"n":1}');
    await until('it was looked at', async () =>
      (await shared.figure('database_crc32c_match_count')) === 1 ? true : undefined,
    );
    const expiry = Math.floor(Date.now() / 1000) + 100_000;
    const expiryOf = ({ _exp: exp }: ReadDocument): number => Date.parse(exp as string) / 1000;
    app.run('UPDATE documents SET expiry = ? WHERE key = ?', expiry, 'a');
    const same = await shared.read('a?show_exp=true');
    assert.deepEqual([same._rev, expiryOf(same)], [rev, expiry]);
    assert.deepEqual(await shared.changes(), before);
    app.run('UPDATE documents SET body = ?, expiry = ? WHERE key = ?', '{"n":2}', expiry + 1, 'a');
    const edited = await shared.read('a?show_exp=true');
    assert.deepEqual([edited['n'], expiryOf(edited)], [2, expiry + 1]);
    app.run('INSERT INTO documents (key, body, expiry) VALUES (?, ?, ?)', 'gone', '{}', 1);
    await until('what has expired is gone', () =>
      app.row('gone') === undefined ? true : undefined,
    );
    assert.equal((await shared.get('gone')).status, 404);
  });

  test('keeps the attachments of the document', async () => {
    using shared = await share('files');
    const { app } = shared;
    const rev = await shared.put('a', { _attachments: { 'f.txt': { data: 'aGVsbG8=' } } });
    app.put('a', { n: 2 });
    const edited = await shared.read('a');
    assert.notEqual(edited._rev, rev);
    assert.deepEqual(Object.keys(edited['_attachments'] as object), ['f.txt']);
    assert.equal((await shared.get('a/f.txt')).text, 'hello');
    app.remove('a');
    await shared.untilIdle();
    app.put('a', { n: 3 });
    assert.equal((await shared.read('a'))['_attachments'], undefined);
  });

  test('many times in a row ends with its last state', async () => {
    using shared = await share('burst');
    for (let n = 1; n <= 200; n++) shared.app.put('a', { n });
    await shared.untilIdle();
    const { _rev: rev, _revisions: revisions, n } = await shared.read('a?revs=true');
    const { start, ids } = revisions as { start: number; ids: string[] };
    assert.equal(n, 200);
    assert.equal(ids.length, Math.min(start, 50));
    assert.equal(start, await shared.figure('shared_bucket_import_import_count'));
    assert.deepEqual(await shared.changes(), [`a ${rev}`]);
  });

  test('that can be no document is left alone, and listed with the reason', async () => {
    using shared = await share('unfit', { limits: { document_bytes_max: 2000 } });
    const { app } = shared;
    const bad: readonly (readonly [key: string, body: string, reason: RegExp])[] = [
      ['text', 'hello', /no document: Invalid JSON at line 1, column 1/],
      ['array', '[{}]', /no document: .*expected a JSON object/],
      ['scalar', '17', /no document: .*expected a JSON object/],
      ['null', 'null', /no document: .*expected a JSON object/],
      ['empty', '', /no document: /],
      ['half', '{"a":', /no document: /],
      ['two', '{}{}', /expected nothing after the object/],
      ['nul', '{"a":"\0"}', /text/],
      ['large', `{"a":"${'x'.repeat(2000)}"}`, /may have 2000 bytes/],
      ['wide', `{"a":"${'ü'.repeat(1000)}"}`, /may have 2000 bytes/],
      ['own-id', '{"_id":"x"}', /"_id" begins with an underscore/],
      ['own-rev', '{"a":1,"_rev":"1-a"}', /"_rev" begins/],
      ['deleted', '{"_deleted":true}', /"_deleted" begins/],
      ['sync', '{"_sync":{}}', /"_sync" begins/],
      ['_sync:user:x', '{}', /no document id: .*underscore/],
      ['k'.repeat(251), '{}', /no document id: .*250 bytes/],
    ];
    for (const [key, body] of bad)
      app.run('INSERT INTO documents (key, body) VALUES (?, ?)', key, body);
    app.put('good', {});
    await shared.untilIdle();
    const listed = new Map((await shared.rejected()).map(({ id, ...rest }) => [id, rest]));
    for (const [key, body, reason] of bad) {
      assert.match(listed.get(key)?.reason ?? '', reason, key);
      assert.equal(listed.get(key)?.by, 'body');
      assert.equal(app.row(key)?.body, body);
    }
    assert.equal(listed.size, bad.length);
    assert.equal((await shared.get('array')).status, 404);
    assert.match((await shared.changes()).join(), /^good 1-[^,]*$/);
    assert.equal(await shared.figure('shared_bucket_import_import_error_count'), bad.length);
    app.put('array', { now: 'good' });
    assert.equal((await shared.get('array')).status, 200);
    assert.equal((await shared.rejected()).length, bad.length - 1);
  });

  test('that was too large comes in when documents may be larger', async () => {
    using shared = await share('limit', { limits: { document_bytes_max: 2000 } });
    const { app } = shared;
    app.put('large', { text: 'x'.repeat(2000) });
    app.put('larger', { text: 'x'.repeat(5000) });
    app.put('text', 'hello');
    for (const id of ['large', 'larger', 'text']) await shared.untilRejected(id);
    await shared.configure({ limits: { document_bytes_max: 4000 } });
    await shared.untilChanges(1);
    await shared.untilIdle();
    assert.match((await shared.changes())[0] ?? '', /^large 1-/);
    const listed = (await shared.rejected()).map(({ id, reason }) => `${id}: ${reason}`);
    assert.match(listed.join(), /^larger: a document may have 4000 bytes,text: .*no document/);
    await shared.configure({ limits: { document_bytes_max: 3000 } });
    assert.equal((await shared.get('large')).status, 200);
  });
});

describe('what is refused', { concurrency: false }, () => {
  test('by the filter is not there for clients, and a client may make the document', async () => {
    using shared = await share('filtered', { import_filter: NO_TYPE });
    const { app } = shared;
    app.put('a', { type: 'no' });
    const { by, reason, keyspace } = await shared.untilRejected('a');
    assert.deepEqual(
      [by, reason, keyspace],
      ['filter', 'the import filter does not accept it', 'filtered._default._default'],
    );
    const read = await shared.read('a');
    assert.deepEqual([read.status, read.reason], [404, 'Not imported']);
    assert.deepEqual(await shared.changes(), []);
    assert.deepEqual((await shared.read('_all_docs'))['rows'], []);
    assert.equal(await shared.figure('shared_bucket_import_import_error_count'), 0);
    assert.match(await shared.put('a', { mine: true }), /^1-/);
    assert.deepEqual(await shared.rejected(), []);
    assert.deepEqual(JSON.parse(app.row('a')?.body ?? ''), { mine: true });
  });

  test('hides the revision before, until an application or a client writes again', async () => {
    using shared = await share('hidden', { import_filter: NO_TYPE });
    const { app } = shared;
    const rev = await shared.put('a', { n: 1, channels: ['x'] });
    const other = await shared.put('b', { n: 1 });
    await shared.put('c', { n: 1 });
    for (const id of ['a', 'b', 'c']) app.put(id, { type: 'no', secret: id });
    for (const id of ['a', 'b', 'c']) await shared.untilRejected(id);
    for (const path of [
      'a',
      `a?rev=${rev}`,
      'a?open_revs=all',
      '_raw/a',
      '_revtree/a',
      '_channel_history/a',
    ]) {
      const read = await shared.read(path);
      assert.deepEqual([path, read.status, read.reason], [path, 404, 'Not imported']);
    }
    const bulk = await shared.post('_bulk_get', { docs: [{ id: 'a' }, { id: 'a', rev }] });
    assert.doesNotMatch(bulk.text, /secret|"n":1/);
    for (const path of [
      '_changes?include_docs=true',
      '_changes?include_docs=true&filter=_doc_ids&doc_ids=a,b,c',
      '_changes?include_docs=true&filter=sync_gateway/bychannel&channels=x',
      '_all_docs?include_docs=true',
      '_all_docs?include_docs=true&keys=["a","b"]',
    ])
      assert.doesNotMatch((await shared.get(path)).text, /secret|"n":1/, path);
    assert.deepEqual((await shared.read('_all_docs'))['rows'], []);
    app.put('a', { n: 2 });
    const back = await shared.read('a');
    assert.match(back._rev, /^2-/);
    assert.equal(back['n'], 2);
    assert.match(await shared.put('b', { n: 3 }, other), /^2-/);
    assert.match(await shared.put('c', { n: 3 }), /^2-/);
    assert.deepEqual(await shared.rejected(), []);
  });

  test('by the sync function, and what breaks it, is listed with the reason', async () => {
    using shared = await share('functioned', {
      sync: `function (doc) {
        if (doc.bad) throw { forbidden: 'it is bad' };
        if (doc.broken) doc.nothing.more();
        channel('all');
      }`,
    });
    const { app } = shared;
    app.put('bad', { bad: 1 });
    app.put('broken', { broken: 1 });
    const { by, reason } = await shared.untilRejected('bad');
    assert.deepEqual([by, reason], ['function', 'it is bad']);
    assert.match((await shared.untilRejected('broken')).reason, /more|undefined/);
    assert.equal((await shared.get('bad')).status, 404);
    assert.equal(await shared.figure('shared_bucket_import_import_error_count'), 2);
    await shared.setFunction('sync', 'function () { channel("all"); }');
    await shared.untilChanges(2);
    assert.deepEqual(await shared.rejected(), []);
  });

  test('by a filter comes in with another filter; one that throws or loops refuses', async () => {
    using shared = await share('filters', { import_filter: 'function (doc) { throw "no"; }' });
    const { app } = shared;
    app.put('a', { n: 1 });
    assert.match((await shared.untilRejected('a')).reason, /^filter.*no/s);
    const loop = 'function (doc) { while (doc.n === 1) ; return true; }';
    await shared.setFunction('import_filter', loop);
    app.put('b', { n: 2 });
    assert.equal((await shared.get('b')).status, 200);
    await until('the loop is listed', async () => {
      const [only] = await shared.rejected();
      return only?.id === 'a' && !only.reason.endsWith('no') ? true : undefined;
    });
    for (let n = 0; n < 100; n++) app.put(`loop-${n}`, { n: 1 });
    await shared.setFunction('import_filter', '');
    await shared.untilChanges(102);
    assert.deepEqual(await shared.rejected(), []);
  });

  test('a deletion is not: the sync function routes it, and the filter is not asked', async () => {
    using shared = await share('deletion', {
      import_filter: 'function (doc) { return doc.type === "yes"; }',
      sync: `function (doc) {
        if (doc.type !== 'yes') throw { forbidden: 'no type' };
        channel('a');
      }`,
    });
    const { db, app } = shared;
    await putUser(db, 'ann', { admin_channels: ['a'] });
    await shared.put('a', { type: 'yes' });
    app.remove('a');
    await shared.untilIdle();
    const read = await shared.read('a');
    assert.deepEqual([read.status, read.reason], [404, 'deleted']);
    const feed = await request('GET', `${db.public}/_changes`, { as: `ann:${PASSWORD}` });
    const { results } = feed.json as { results: { id: string; deleted?: boolean }[] };
    const rows = results.filter(({ id }) => id === 'a').map(({ deleted }) => deleted);
    assert.deepEqual(rows, [true]);
  });
});

describe('collections', { concurrency: false }, () => {
  test('have filters and lists of their own', async () => {
    const collections = {
      a: { import_filter: NO_TYPE },
      b: { sync: 'function () { throw 1; }' },
    };
    using shared = await share('shop', { scopes: { s: { collections } } });
    const { db, app } = shared;
    const [a, b] = [app.collection('s.a'), app.collection('s.b')];
    for (const id of ['one', 'two', 'three']) app.put(id, { type: 'no' }, a);
    for (const id of ['one', 'two']) app.put(id, {}, b);
    app.put('good', {}, a);
    await shared.untilIdle();
    assert.equal((await request('GET', `${db.admin}.a/good`)).status, 200);
    assert.equal((await request('GET', `${db.admin}.s.b/one`)).status, 404);
    const list = async (keyspace: string, query = ''): Promise<object> => {
      const { status, json } = await request('GET', `${keyspace}/_import/rejected?${query}`);
      if (status !== 200) return { status };
      const page = json as unknown as { rejected: readonly RejectedRow[]; next?: string };
      const rows = page.rejected.map((row) => `${row.keyspace} ${row.id}`);
      return page.next === undefined ? { rows } : { rows, next: page.next };
    };
    const all = ['shop.s.a one', 'shop.s.a three', 'shop.s.a two', 'shop.s.b one', 'shop.s.b two'];
    assert.deepEqual(await list(db.admin), { rows: all });
    assert.deepEqual(await list(`${db.admin}.a`), { rows: all.slice(0, 3) });
    const ofB = `${db.admin}.s.b`;
    assert.deepEqual(await list(ofB, 'limit=1'), { rows: all.slice(3, 4), next: 'one' });
    assert.deepEqual(await list(ofB, 'limit=1&after=one'), { rows: all.slice(4) });
    const pages: object[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const page: { rows?: unknown; next?: string } = await list(
        db.admin,
        `limit=2&after=${encodeURIComponent(after)}`,
      );
      pages.push([page.rows]);
      after = page.next;
    }
    assert.deepEqual(pages, [[all.slice(0, 2)], [all.slice(2, 4)], [all.slice(4)]]);
    assert.deepEqual(await list(`${db.admin}.nosuch`), { status: 404 });
    assert.deepEqual(await list(db.admin, 'after=x'), { status: 400 });
    assert.equal((await request('GET', `${db.public}/_import`)).status, 404);
  });
});
