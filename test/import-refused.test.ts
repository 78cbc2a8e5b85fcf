import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import type { FeedLine } from './helpers/feed-lines.ts';
import { FeedLines } from './helpers/feed-lines.ts';
import { ForeignWriter } from './helpers/foreign-writer.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { SharedBucket } from './helpers/shared-bucket.ts';
import { SocketFeed } from './helpers/socket-feed.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';
import { until } from './helpers/until.ts';

// What clients see of a document that an application wrote, and that filter or sync function
// refuse: nothing, also of the revision before, whose loss is told to who may have it.

const NO_TYPE = 'function (doc) { return doc.type !== "no"; }';
const OLD = 'what was there';
const REFUSED = 'what is refused';

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => gateway?.[Symbol.asyncDispose]());

/** Who reads, and what such a reader is told that it lost. */
const READERS = { ann: 'x', star: '*', admin: '*' } as const;
type ReaderName = keyof typeof READERS;
const NAMES = Object.keys(READERS) as ReaderName[];

const loginOf = (name: string) => (name === 'admin' ? {} : { as: `${name}:${PASSWORD}` });
const urlOf = ({ db }: SharedBucket, name: string): string =>
  name === 'admin' ? db.admin : db.public;

async function share(name: string, config: object = {}): Promise<SharedBucket> {
  const shared = await SharedBucket.create(gateway, name, { import_filter: NO_TYPE, ...config });
  for (const reader of ['ann', 'star'] as const)
    await putUser(shared.db, reader, { admin_channels: [READERS[reader]] });
  return shared;
}

/** As that reader; `json` makes it a POST. */
function ask(
  shared: SharedBucket,
  name: string,
  ...[path, json]: readonly [path: string, json?: object | undefined]
): Promise<Answer> {
  const method = json === undefined ? 'GET' : 'POST';
  const options = { ...loginOf(name), ...(json === undefined ? {} : { json }) };
  return request(method, `${urlOf(shared, name)}/${path}`, options);
}

const rowsOf = ({ text }: Answer, id: string): readonly FeedLine[] =>
  (JSON.parse(text) as { results: FeedLine[] }).results.filter((row) => row.id === id);

/** Ways to all that a feed tells from the beginning. */
const FEEDS: readonly (readonly [path: string, json?: object])[] = [
  ['_changes?since=0'],
  ['_changes?since=0&include_docs=true'],
  ['_changes?since=0&include_docs=true&style=all_docs'],
  ['_changes?since=0&include_docs=true&limit=1000&feed=longpoll'],
  ['_changes?include_docs=true&filter=_doc_ids&doc_ids=a,other'],
  ['_changes', { include_docs: true, filter: '_doc_ids', doc_ids: ['a'] }],
  ['_changes?include_docs=true&filter=sync_gateway/bychannel&channels=x'],
  ['_changes', { include_docs: true, filter: 'sync_gateway/bychannel', channels: 'x' }],
  ['_changes?include_docs=true&revocations=true'],
];

describe('of a document whose new content is refused', { concurrency: false }, () => {
  let shared: SharedBucket;
  let rev: string;
  before(async () => {
    shared = await share('reads', { import_docs: true });
    await shared.put('other', { channels: ['x'], n: 1 });
    const files = { f: { data: 'aGVsbG8=' } };
    rev = await shared.put('a', { channels: ['x'], text: OLD, _attachments: files });
  });
  after(() => shared?.[Symbol.dispose]());

  test('whoever listens is told that it is gone', async () => {
    const { db, app } = shared;
    await using open = new AsyncDisposableStack();
    const lines = new Map<ReaderName, FeedLines>();
    const sockets = new Map<ReaderName, SocketFeed>();
    for (const name of NAMES) {
      const url = `${urlOf(shared, name)}/_changes?since=0&include_docs=true`;
      const feed = open.use(await FeedLines.open(url, loginOf(name)));
      assert.equal((await feed.rowOf('a')).doc?.['text'], OLD);
      lines.set(name, feed);
      const options = { options: { include_docs: true }, ...loginOf(name) };
      const socket = open.use(await SocketFeed.open(`${urlOf(shared, name)}/_changes`, options));
      await socket.backlog();
      sockets.set(name, socket);
    }
    const since = String((await shared.read(''))['update_seq']);
    const polls = NAMES.map((name) =>
      ask(shared, name, `_changes?feed=longpoll&include_docs=true&since=${since}`),
    );
    app.put('a', { type: 'no', channels: ['x'], text: REFUSED });
    for (const [at, name] of NAMES.entries()) {
      const gone = { removed: [READERS[name]], doc: { _id: 'a', _rev: rev, _removed: true } };
      const rows = [
        await lines.get(name)?.rowOf('a'),
        (await sockets.get(name)?.rows())?.find(({ id }) => id === 'a'),
        rowsOf(await (polls[at] as Promise<Answer>), 'a').at(-1),
      ];
      for (const row of rows)
        assert.deepEqual({ removed: row?.removed, doc: row?.doc }, gone, name);
    }
    assert.equal((await shared.untilRejected('a')).by, 'filter');
    assert.equal((await request('GET', `${db.admin}/other`)).status, 200);
  });

  for (const name of NAMES) {
    test(`no read of ${name} finds it`, async () => {
      for (const path of [
        'a',
        `a?rev=${rev}`,
        'a?open_revs=all',
        `a?open_revs=["${rev}"]`,
        'a/f',
      ]) {
        const { status, json } = await ask(shared, name, path);
        assert.deepEqual(
          [path, status, (json as { reason: string }).reason],
          [path, 404, 'Not imported'],
        );
      }
      const head = await request('HEAD', `${urlOf(shared, name)}/a`, loginOf(name));
      assert.equal(head.status, 404);
      const bulk = await ask(shared, name, '_bulk_get?revs=true&attachments=true', {
        docs: [{ id: 'a' }, { id: 'a', rev }, { id: 'other' }],
      });
      assert.doesNotMatch(bulk.text, /what (?:was there|is refused)/);
      assert.match(bulk.text, /"n":1/);
      for (const path of ['_all_docs', '_all_docs?include_docs=true&channels=true'])
        assert.doesNotMatch((await ask(shared, name, path)).text, /"a"/, path);
      for (const asked of ['_all_docs?keys=["a","other"]', '_all_docs?include_docs=true']) {
        const body = asked.includes('keys') ? undefined : { keys: ['a', 'other'] };
        const { json } = await ask(shared, name, asked, body);
        const { rows } = json as unknown as { rows: { key: string; error?: string }[] };
        assert.deepEqual(
          rows.map(({ key, error }) => [key, error]),
          [
            ['a', 'not_found'],
            ['other', undefined],
          ],
        );
      }
    });

    test(`feeds tell ${name} from the beginning that it is gone, and nothing more`, async () => {
      for (const [path, json] of FEEDS) {
        const answer = await ask(shared, name, path, json);
        assert.equal(answer.status, 200, answer.text);
        assert.doesNotMatch(answer.text, /what (?:was there|is refused)/, path);
        const rows = rowsOf(answer, 'a');
        const lost = path.includes('channel') || json !== undefined ? undefined : READERS[name];
        assert.equal(rows.length, 1, `${path}: ${answer.text}`);
        for (const { removed = [], changes } of rows) {
          assert.equal(removed.length, 1, path);
          if (lost !== undefined && !path.includes('doc_ids')) assert.deepEqual(removed, [lost]);
          assert.deepEqual(changes, [{ rev }]);
        }
        const more = `${path}${path.includes('?') ? '&' : '?'}active_only=true`;
        const active = await ask(shared, name, more, json && { ...json, active_only: true });
        assert.deepEqual(rowsOf(active, 'a'), [], more);
      }
    });
  }

  test('who comes later hears nothing of it, and writers go on from it', async () => {
    await putUser(shared.db, 'late', { admin_channels: ['x'] });
    await putUser(shared.db, 'all', { admin_channels: ['*'] });
    for (const name of ['late', 'all']) {
      const answer = await ask(shared, name, '_changes?since=0&include_docs=true');
      assert.deepEqual(rowsOf(answer, 'a'), [], name);
      assert.equal(rowsOf(answer, 'other').length, 1);
    }
    const diff = await ask(shared, 'ann', '_revs_diff', { a: [rev, '2-z'] });
    assert.deepEqual(diff.json, { a: { missing: ['2-z'] } });
    const { json } = await shared.get('_explain?user=ann&doc=a');
    const { visible, summary, document } = json as {
      readonly visible: boolean;
      readonly summary: string;
      readonly document: { readonly hidden?: boolean };
    };
    assert.deepEqual([visible, document.hidden], [false, true]);
    assert.match(summary, /ann does not see a: .* is not imported/);
  });
});

test('it is told again once it passes, however that comes about', async () => {
  using shared = await share('back');
  const { db, app } = shared;
  const body = (id: string) => ({ channels: ['x'], id });
  const url = `${db.public}/_changes?since=0&include_docs=true`;
  await using feed = await FeedLines.open(url, loginOf('ann'));
  const ways: Readonly<Record<string, (rev: string) => Promise<string | void> | void>> = {
    edited: () => app.put('edited', { ...body('edited'), n: 2 }),
    restored: () => app.put('restored', body('restored')),
    client: (rev) => shared.put('client', { ...body('client'), n: 2 }, rev),
    anew: () => shared.put('anew', { ...body('anew'), n: 2 }),
  };
  for (const [id, comesBack] of Object.entries(ways)) {
    const rev = await shared.put(id, body(id));
    await feed.rowOf(id);
    app.put(id, { type: 'no', ...body(id) });
    assert.deepEqual((await feed.rowOf(id)).removed, ['x']);
    await comesBack(rev);
    const row = await feed.rowOf(id);
    const { status, json } = await ask(shared, 'ann', id);
    assert.equal(status, 200, id);
    assert.deepEqual(row.doc, json);
    const now = (json as unknown as { _rev: string })._rev;
    if (id === 'restored') assert.equal(now, rev, 'it is that revision');
    else assert.match(now, /^2-/);
    assert.equal(row.removed, undefined);
    assert.match((await ask(shared, 'ann', '_all_docs')).text, new RegExp(`"key":"${id}"`));
    assert.deepEqual(await shared.channelsOf(id), ['x']);
  }
  app.put('filtered', { type: 'no', channels: ['x'] });
  await shared.untilRejected('filtered');
  await shared.put('was', body('was'));
  app.put('was', { type: 'no', channels: ['x'] });
  await shared.untilRejected('was');
  await shared.setFunction('import_filter', '');
  for (const id of ['filtered', 'was'])
    await until(
      `${id} is told`,
      async () => rowsOf(await ask(shared, 'ann', '_changes?since=0&active_only=true'), id)[0],
    );
  assert.deepEqual(await shared.rejected(), []);
});

test('it is hidden whatever refuses it, and once alone', async () => {
  using shared = await share('kinds', {
    user_xattr_key: 'route',
    sync: `function (doc, oldDoc, meta) {
      if (doc.bad || meta.xattrs.route === 'refuse') throw { forbidden: 'it is bad' };
      if (doc.broken) doc.nothing.more();
      channel(doc.channels);
    }`,
  });
  const { db, app } = shared;
  const url = `${db.public}/_changes?since=0`;
  await using feed = await FeedLines.open(url, loginOf('ann'));
  const writes: Readonly<Record<string, () => void>> = {
    filter: () => app.put('filter', { type: 'no' }),
    function: () => app.put('function', { bad: true }),
    broken: () => app.put('broken', { broken: true }),
    unfit: () => app.put('unfit', '[]'),
    xattr: () => app.run(`UPDATE documents SET xattrs = '{"route":"refuse"}' WHERE key = 'xattr'`),
  };
  for (const [id, write] of Object.entries(writes)) {
    await shared.put(id, { channels: ['x'] });
    await feed.rowOf(id);
    write();
    assert.deepEqual((await feed.rowOf(id)).removed, ['x'], id);
    assert.equal((await ask(shared, 'ann', id)).status, 404);
    const { update_seq: newest } = await shared.read('');
    // The filter is asked first: what it does not want breaks no function.
    if (id !== 'xattr') app.put(id, { type: 'no', bad: true });
    const by = id === 'xattr' ? 'function' : 'filter';
    await until(`${by} refuses ${id}`, async () =>
      (await shared.untilRejected(id)).by === by ? true : undefined,
    );
    await shared.get(id);
    assert.equal((await shared.read(''))['update_seq'], newest, `${id}: nothing new is told`);
  }
  app.run(`UPDATE documents SET xattrs = NULL WHERE key = 'xattr'`);
  assert.equal((await feed.rowOf('xattr')).removed, undefined);
  // What was deleted before is known to be gone.
  const rev = await shared.put('deleted', { channels: ['x'] });
  await request('DELETE', `${db.admin}/deleted?rev=${rev}`);
  const { update_seq: newest } = await shared.read('');
  app.put('deleted', { type: 'no' });
  await shared.untilRejected('deleted');
  assert.equal((await shared.read(''))['update_seq'], newest);
  const [tombstone] = rowsOf(await ask(shared, 'ann', '_changes?since=0'), 'deleted');
  assert.equal(tombstone?.deleted, true);
});

test('another node tells the loss as well, also of what it holds in memory', async () => {
  await using folder = await temporaryFolder();
  const dataDir = folder.path;
  await using one = await runGateway({ dataDir });
  const db = await createDatabase(one, 'db', { import_filter: NO_TYPE, import_docs: false });
  await putUser(db, 'ann', { admin_channels: ['x'] });
  await using two = await runGateway({ dataDir });
  const other = `${two.urls.public}/db`;
  await until('it serves the database', async () =>
    (await request('GET', `${other}/`, loginOf('ann'))).status === 200 ? true : undefined,
  );
  using app = new ForeignWriter(dataDir, 'db');
  await using feed = await FeedLines.open(`${other}/_changes?since=0`, loginOf('ann'));
  for (const id of ['a', 'b']) {
    const put = await request('PUT', `${db.admin}/${id}`, { json: { channels: ['x'], text: OLD } });
    assert.equal(put.status, 201);
    await feed.rowOf(id);
  }
  app.put('a', { type: 'no', text: REFUSED });
  const docs = { docs: [{ id: 'a' }] };
  const bulk = await request('POST', `${db.public}/_bulk_get`, { ...loginOf('ann'), json: docs });
  assert.match(bulk.text, /Not imported/);
  assert.deepEqual((await feed.rowOf('a')).removed, ['x']);
  const answer = await request('GET', `${other}/_changes?since=0`, loginOf('ann'));
  assert.deepEqual(
    rowsOf(answer, 'a').map(({ removed }) => removed),
    [['x']],
  );
  assert.equal((await request('GET', `${other}/a`, loginOf('ann'))).status, 404);
  // Both nodes refuse it at the same time.
  app.put('b', { type: 'no', text: REFUSED });
  const reads = await Promise.all(
    [db.public, other, db.public, other].map((url) => request('GET', `${url}/b`, loginOf('ann'))),
  );
  for (const { status } of reads) assert.equal(status, 404);
  assert.deepEqual((await feed.rowOf('b')).removed, ['x']);
  const { json } = await request('GET', `${db.admin}/`);
  const { update_seq: end } = json as { update_seq: number };
  const last = await request('GET', `${db.admin}/_changes?since=0`);
  assert.equal(rowsOf(last, 'b')[0]?.seq, end, 'it was hidden once');
});
