import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, putUser } from './helpers/database.ts';
import { FeedLines } from './helpers/feed-lines.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { resyncWith } from './helpers/resync.ts';
import { SharedBucket } from './helpers/shared-bucket.ts';

// Xattrs that applications keep of a document, as the third argument of the sync function.

const SYNC = `function (doc, oldDoc, meta) {
  var route = meta.xattrs.route;
  if (route === undefined) { channel('none'); return; }
  if (route.refuse) throw { forbidden: 'not there' };
  channel(route.channels);
  access(route.to, route.channels);
}`;

let gateway: TestGateway;
let shared: SharedBucket;
before(async () => {
  gateway = await startTestGateway();
  const config = { sync: SYNC, user_xattr_key: 'route' };
  shared = await SharedBucket.create(gateway, 'routed', config);
  await putUser(shared.db, 'ann', { admin_channels: ['a'] });
});
after(async () => {
  shared?.[Symbol.dispose]();
  await gateway?.[Symbol.asyncDispose]();
});

const setXattrs = (id: string, xattrs: string): void =>
  shared.app.run('UPDATE documents SET xattrs = ? WHERE key = ?', xattrs, id);

test('a changed xattr routes the document anew, without a new revision', async () => {
  const rev = await shared.put('moved', { n: 1 });
  assert.deepEqual(await shared.channelsOf('moved'), ['none']);
  const url = `${shared.db.public}/_changes?since=0&include_docs=true`;
  await using feed = await FeedLines.open(url, { as: `ann:${PASSWORD}` });
  setXattrs('moved', '{"other": 1, "route": {"channels": ["a"]}}');
  const entered = await feed.rowOf('moved');
  assert.deepEqual(entered.doc, { _id: 'moved', _rev: rev, n: 1 });
  setXattrs('moved', '{"other": 2, "route": {"channels": ["b"]}}');
  assert.deepEqual((await feed.rowOf('moved')).removed, ['a']);
  setXattrs('moved', '{"other": 2, "route": {"channels": ["b"], "to": "ann"}}');
  assert.equal((await feed.rowOf('moved')).doc?.['_rev'], rev, 'it grants the other channel');
  const { text } = await shared.get('moved');
  assert.equal(text, `{"_id":"moved","_rev":"${rev}","n":1}`);
});

test('an xattr that nobody looks at, and what is no xattr, change nothing', async () => {
  await shared.put('still', { n: 1 });
  const before = (await shared.read(''))['update_seq'];
  for (const xattrs of ['{"other": 1}', 'no json', '[]', '{"other": 2}']) {
    setXattrs('still', xattrs);
    assert.deepEqual(await shared.channelsOf('still'), ['none']);
  }
  assert.equal((await shared.read(''))['update_seq'], before);
});

test('writes of clients and of applications are routed by it, and it stays', async () => {
  const { app } = shared;
  app.run(
    `INSERT INTO documents (key, body, xattrs) VALUES ('both', '{}', '{"route":{"channels":"x"}}')`,
  );
  assert.deepEqual(await shared.channelsOf('both'), ['x']);
  const second = await shared.put('both', { n: 2 }, await shared.revOf('both'));
  assert.deepEqual(await shared.channelsOf('both'), ['x']);
  app.put('both', { n: 3 });
  assert.deepEqual(await shared.channelsOf('both'), ['x']);
  assert.notEqual(await shared.revOf('both'), second);
  setXattrs('both', '{"route":{"refuse":true}}');
  assert.equal((await shared.get('both')).status, 404);
  setXattrs('both', '{"route":{"channels":"y"}}');
  assert.deepEqual(await shared.channelsOf('both'), ['y']);
  setXattrs('both', '{}');
  assert.deepEqual(await shared.channelsOf('both'), ['none']);
});

test('a resync routes by it, too', async () => {
  await shared.put('resynced', { n: 1 });
  setXattrs('resynced', '{"route":{"channels":"z"}}');
  assert.deepEqual(await shared.channelsOf('resynced'), ['z']);
  const end = await resyncWith(shared.db, SYNC.replace("'none'", "'nothing'"));
  assert.equal(end.status, 'completed');
  assert.deepEqual(await shared.channelsOf('resynced'), ['z']);
  assert.deepEqual(await shared.channelsOf('still'), ['nothing']);
});
