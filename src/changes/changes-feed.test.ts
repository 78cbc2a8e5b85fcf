import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Digest } from '../document/types.ts';
import { isGatewayError } from '../util/errors.ts';
import { parseSequenceId, sequenceJson } from './sequence-id.ts';
import { drain, openTestFeeds } from './test-feeds.ts';

const since = (text: string): { since: ReturnType<typeof parseSequenceId> } => ({
  since: parseSequenceId(text),
});

test('an administrator is told every document once, at its newest sequence', async () => {
  await using db = await openTestFeeds();
  const c1 = await db.put('c1', ['x']);
  await db.put('c2', ['x']);
  const c3 = await db.put('c3');
  const c2 = await db.put('c2', ['y']);
  assert.deepEqual(await db.rows(undefined), [
    `{"seq":${c1.seq},"id":"c1","changes":[{"rev":"${c1.rev}"}]}`,
    `{"seq":${c3.seq},"id":"c3","changes":[{"rev":"${c3.rev}"}]}`,
    `{"seq":${c2.seq},"id":"c2","changes":[{"rev":"${c2.rev}"}]}`,
  ]);
});

test('a feed goes on after since, and where the limit has cut it', async () => {
  await using db = await openTestFeeds();
  for (const key of ['a', 'b', 'c', 'd', 'e']) await db.put(key, ['x']);
  using first = db.feed(undefined, { limit: 2 });
  assert.deepEqual(
    (await drain(first)).map(({ id }) => id),
    ['a', 'b'],
  );
  assert.equal(sequenceJson(first.lastSeq), '2');
  using second = db.feed(undefined, { since: first.lastSeq });
  assert.deepEqual(
    (await drain(second)).map(({ id }) => id),
    ['c', 'd', 'e'],
  );
  assert.equal(sequenceJson(second.lastSeq), '5');
  using third = db.feed(undefined, { since: second.lastSeq });
  assert.deepEqual(await drain(third), []);
  using beyond = db.feed(undefined, since('999999'));
  assert.deepEqual(await drain(beyond), []);
  assert.equal(sequenceJson(beyond.lastSeq), '999999');
});

test('a user is told its own row and the documents of its channels and of !', async () => {
  await using db = await openTestFeeds();
  const user = await db.user('ada', ['left']);
  await db.user('GUEST-less', []);
  const k1 = await db.put('k1', ['left']);
  await db.put('k2', ['right']);
  const k3 = await db.put('k3', ['left', 'right']);
  const k5 = await db.put('k5', ['!']);
  await db.put('k6');
  const all = await db.rows('ada');
  assert.deepEqual(all, [
    `{"seq":${user},"id":"_user/ada","changes":[]}`,
    `{"seq":${k1.seq},"id":"k1","changes":[{"rev":"${k1.rev}"}]}`,
    `{"seq":${k3.seq},"id":"k3","changes":[{"rev":"${k3.rev}"}]}`,
    `{"seq":${k5.seq},"id":"k5","changes":[{"rev":"${k5.rev}"}]}`,
  ]);
  assert.deepEqual(await db.rows('ada', { channels: ['*'] }), all);
  assert.deepEqual(await db.rows('ada', { channels: ['right', 'nowhere'] }), [all[0]]);
  assert.deepEqual(await db.rows('ada', { channels: ['!', 'right'] }), [all[0], all[3]]);
  assert.deepEqual(await db.rows('ada', { docIds: ['k3', 'k1', 'k2', '_local/x', 'none', ''] }), [
    all[1],
    all[2],
  ]);
});

test('the guest has a row of its own', async () => {
  await using db = await openTestFeeds();
  await db.user('', []);
  assert.deepEqual(await db.rows(''), ['{"seq":1,"id":"_user/GUEST","changes":[]}']);
});

test('who holds * is told all documents, without removals; a filter tells them', async () => {
  await using db = await openTestFeeds();
  await db.user('all', ['*']);
  await db.put('k1', ['left']);
  await db.put('k2', ['right']);
  await db.put('k3');
  const k1 = await db.put('k1', ['right']);
  const ids = async (channels?: readonly string[]): Promise<readonly string[]> => {
    using feed = db.feed('all', channels && { channels });
    return (await drain(feed)).map(({ id }) => id);
  };
  assert.deepEqual(await ids(), ['_user/all', 'k2', 'k3', 'k1']);
  assert.deepEqual(await ids(['right']), ['_user/all', 'k2', 'k1']);
  assert.deepEqual((await db.rows('all', { channels: ['left'] })).slice(1), [
    `{"seq":${k1.seq},"id":"k1","removed":["left"],"changes":[{"rev":"${k1.rev}"}]}`,
  ]);
});

test('* granted later brings all older documents at its turn', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  await db.put('k1', ['a']);
  await db.put('k2', ['b']);
  await db.put('k3');
  await db.user('ann', ['a', '*']);
  await db.put('k4');
  using feed = db.feed('ann');
  const rows = (await drain(feed)).map(({ at, id }) => `${sequenceJson(at)} ${id}`);
  assert.deepEqual(rows, ['2 k1', '"5:2" k1', '"5:3" k2', '"5:4" k3', '5 _user/ann', '6 k4']);
});

test('a granted channel brings its older documents, and any row can be gone on from', async () => {
  await using db = await openTestFeeds();
  await db.user('gus', ['own']);
  await db.put('old1', ['arch']);
  await db.put('old2', ['arch']);
  await db.put('gone', ['arch']);
  await db.put('mine', ['own']);
  await db.put('both', ['own', 'arch']);
  await db.remove('gone');
  await db.put('left', ['arch']);
  await db.put('left', ['else']);
  await db.user('gus', ['own', 'arch']);
  await db.put('new', ['arch']);
  const told = async (text: string, limit = 0): Promise<readonly string[]> => {
    using feed = db.feed('gus', { ...since(text), limit });
    return (await drain(feed)).map(({ at, id }) => `${sequenceJson(at)} ${id}`);
  };
  const rows = [
    '5 mine',
    '6 both',
    '"10:2" old1',
    '"10:3" old2',
    '"10:6" both',
    '10 _user/gus',
    '11 new',
  ];
  assert.deepEqual(await told('0'), rows);
  assert.deepEqual(await told('9'), rows.slice(2));
  for (const [index, row] of rows.entries()) {
    const [at = ''] = row.split(' ');
    assert.deepEqual(await told(at), rows.slice(index + 1), `since ${at}`);
    assert.deepEqual(await told(at, 1), rows.slice(index + 1, index + 2), `one after ${at}`);
  }
});

test('a document and a role grant access as an administrator does', async () => {
  await using db = await openTestFeeds();
  await db.user('hal', []);
  await db.put('d1', ['cave']);
  await db.put('d2', ['trail']);
  await db.role('guide', ['trail']);
  await db.put('grant', [], { access: [{ to: 'hal', channel: 'cave' }] });
  await db.user('hal', [], ['guide']);
  const rows = async (from: string): Promise<readonly string[]> => {
    using feed = db.feed('hal', since(from));
    return (await drain(feed)).map(({ at, id }) => `${sequenceJson(at)} ${id}`);
  };
  assert.deepEqual(await rows('1'), ['"5:2" d1', '"6:3" d2', '6 _user/hal']);
  await db.remove('grant');
  assert.deepEqual(await rows('6'), []);
  assert.deepEqual(await rows('0'), ['"6:3" d2', '6 _user/hal']);
});

test('removals and tombstones are told with what was left; active_only hides them', async () => {
  await using db = await openTestFeeds();
  await db.user('joy', ['in', 'out2']);
  await db.put('r1', ['in']);
  await db.put('r2', ['in']);
  await db.put('r3', ['in', 'out2']);
  await db.put('r4', ['in']);
  const r1 = await db.put('r1', ['away']);
  const r2 = await db.remove('r2');
  const r3 = await db.put('r3', ['out2'], { body: '{"ch":"out2"}' });
  const head = (row: { seq: number }, id: string): string => `{"seq":${row.seq},"id":"${id}"`;
  const tail = (row: { rev: string }): string => `"changes":[{"rev":"${row.rev}"}]}`;
  assert.deepEqual(await db.rows('joy', since('5')), [
    `${head(r1, 'r1')},"removed":["in"],${tail(r1)}`,
    `${head(r2, 'r2')},"deleted":true,"removed":["in"],${tail(r2)}`,
    `${head(r3, 'r3')},"removed":["in"],${tail(r3)}`,
  ]);
  assert.deepEqual(await db.rows('joy', { ...since('5'), activeOnly: true }), [
    `${head(r3, 'r3')},"removed":["in"],${tail(r3)}`,
  ]);
  assert.deepEqual(await db.rows('joy', { ...since('5'), includeDocs: true }), [
    `${head(r1, 'r1')},"removed":["in"],` +
      `"doc":{"_id":"r1","_rev":"${r1.rev}","_removed":true},${tail(r1)}`,
    `${head(r2, 'r2')},"deleted":true,"removed":["in"],` +
      `"doc":{"_id":"r2","_rev":"${r2.rev}","_deleted":true},${tail(r2)}`,
    `${head(r3, 'r3')},"removed":["in"],` +
      `"doc":{"_id":"r3","_rev":"${r3.rev}","ch":"out2"},${tail(r3)}`,
  ]);
  assert.deepEqual(await db.rows(undefined, since('5')), [
    `${head(r1, 'r1')},${tail(r1)}`,
    `${head(r2, 'r2')},"deleted":true,${tail(r2)}`,
    `${head(r3, 'r3')},${tail(r3)}`,
  ]);
  assert.deepEqual(
    await db.rows('joy', { ...since('5'), docIds: ['r3', 'r2', 'r1'] }),
    await db.rows('joy', since('5')),
  );
});

test('a tombstone that stays in a channel is deleted, and not removed', async () => {
  await using db = await openTestFeeds();
  await db.user('joy', ['in']);
  await db.put('r1', ['in']);
  const r1 = await db.remove('r1', ['in']);
  const row = `{"seq":3,"id":"r1","deleted":true,"changes":[{"rev":"${r1.rev}"}]}`;
  assert.deepEqual(await db.rows('joy', since('1')), [row]);
  assert.deepEqual(await db.rows('joy', { docIds: ['r1'] }), [row]);
});

test('documents come with stubs of their attachments, spelled as they are stored', async () => {
  await using db = await openTestFeeds();
  const digest = 'sha1-ZrJ0F9N+AkxGUmwvbTWKdU/FUvM=' as Digest;
  const attachments = { 'x.txt': { digest, length: 3, revpos: 1, content_type: 'text/plain' } };
  const { rev } = await db.put('i"2', ['x'], { attachments, body: '{"n":1.0,"s":"\u2028"}' });
  assert.deepEqual(await db.rows(undefined, { includeDocs: true }), [
    `{"seq":1,"id":"i\\"2","doc":{"_id":"i\\"2","_rev":"${rev}","_attachments":{"x.txt":` +
      `{"content_type":"text/plain","digest":"${digest}","length":3,"revpos":1,"stub":true}},` +
      `"n":1.0,"s":"\u2028"},"changes":[{"rev":"${rev}"}]}`,
  ]);
});

test('all_docs tells every leaf, the winner first', async () => {
  await using db = await openTestFeeds();
  const first = await db.put('d', ['x'], { body: '{"n":1}' });
  const left = await db.put('d', ['x'], { body: '{"n":2}' });
  const right = await db.put('d', ['x'], { body: '{"n":3}', parent: first.rev });
  const leaves = [left.rev, right.rev].toSorted().toReversed();
  assert.deepEqual(await db.rows(undefined, { style: 'all_docs' }), [
    `{"seq":3,"id":"d","changes":[{"rev":"${leaves[0]}"},{"rev":"${leaves[1]}"}]}`,
  ]);
  assert.deepEqual(await db.rows(undefined), [
    `{"seq":3,"id":"d","changes":[{"rev":"${leaves[0]}"}]}`,
  ]);
});

test('revocations tell once what was lost with a channel and is not seen otherwise', async () => {
  await using db = await openTestFeeds();
  await db.role('band', ['stage']);
  await db.user('lea', ['bar', 'street'], ['band']);
  const v1 = await db.put('v1', ['bar']);
  await db.put('v2', ['stage']);
  await db.put('v3', ['bar', 'street']);
  await db.put('never', ['other']);
  const lost = await db.user('lea', ['street'], ['band']);
  await db.put('late', ['bar']);
  const revocations = true;
  assert.deepEqual(await db.rows('lea', since('6')), [
    `{"seq":${lost},"id":"_user/lea","changes":[]}`,
  ]);
  assert.deepEqual(await db.rows('lea', { ...since('6'), revocations }), [
    `{"seq":"${lost}:${v1.seq}","id":"v1","changes":[{"rev":"${v1.rev}"}],"revoked":true}`,
    `{"seq":${lost},"id":"_user/lea","changes":[]}`,
  ]);
  assert.deepEqual(await db.rows('lea', { ...since('6'), revocations, activeOnly: true }), [
    `{"seq":${lost},"id":"_user/lea","changes":[]}`,
  ]);
  assert.deepEqual(await db.rows('lea', { ...since('8'), revocations }), []);
  const alone = await db.user('lea', ['street'], []);
  using second = db.feed('lea', { ...since('8'), revocations });
  assert.deepEqual(
    (await drain(second)).map(({ id, revoked }) => `${id} ${revoked}`),
    ['v2 true', '_user/lea false'],
  );
  const back = await db.user('lea', ['street', 'bar'], ['band']);
  using third = db.feed('lea', { ...since(String(alone)), revocations });
  assert.deepEqual(
    (await drain(third)).map(({ at, id, revoked }) => `${sequenceJson(at)} ${id} ${revoked}`),
    [
      `"${back}:3" v1 false`,
      `"${back}:4" v2 false`,
      `"${back}:5" v3 false`,
      `"${back}:8" late false`,
      `${back} _user/lea false`,
    ],
  );
});

test('a new client is not told of what was lost before it came', async () => {
  await using db = await openTestFeeds();
  await db.user('lea', []);
  await db.user('lea', ['bar']);
  await db.put('v1', ['bar']);
  await db.user('lea', []);
  using feed = db.feed('lea', { revocations: true });
  assert.deepEqual(
    (await drain(feed)).map(({ id }) => id),
    ['_user/lea'],
  );
  using returning = db.feed('lea', { ...since('2'), revocations: true });
  assert.deepEqual(
    (await drain(returning)).map(({ id }) => id),
    ['v1', '_user/lea'],
  );
});

test('pages with large documents are short, and all are told', async () => {
  await using db = await openTestFeeds();
  await db.user('lea', ['bar', 'foyer']);
  const body = (n: number): string => `{"n":${n},"text":"${'x'.repeat(n % 3 === 0 ? 3e6 : 9e5)}"}`;
  for (let n = 0; n < 12; n += 1) await db.put(`v${n}`, ['bar', 'foyer'], { body: body(n) });
  await db.put('small', ['bar']);
  for (const name of [undefined, 'lea']) {
    using feed = db.feed(name, { includeDocs: true });
    const told: string[] = [];
    for (let isOver = false; !isOver;) {
      const page = await feed.nextPage(new AbortController().signal);
      const chars = page.rows.reduce((sum, { text }) => sum + text.length, 0);
      assert(chars < 7e6, `a page of ${chars} characters`);
      for (const { id, text } of page.rows) {
        told.push(id);
        const { doc } = JSON.parse(text) as { doc?: { n?: number; text?: string } };
        if (doc?.n !== undefined)
          assert.equal(JSON.stringify({ n: doc.n, text: doc.text }), body(doc.n));
      }
      isOver = page.caughtUp;
    }
    const expected = [...Array.from({ length: 12 }, (_, n) => `v${n}`), 'small'];
    assert.deepEqual(told, name === undefined ? expected : ['_user/lea', ...expected]);
  }
});

test('who is not told of losses is told of a deletion in a channel that comes for the lost one', async () => {
  await using db = await openTestFeeds();
  await db.user('lea', ['bar']);
  await db.put('v1', ['bar']);
  const { seq: held } = await db.put('v2', ['bar']);
  await db.remove('v3', ['foyer']);
  const { seq: deleted } = await db.remove('v1', ['foyer']);
  const change = await db.user('lea', ['foyer']);
  using feed = db.feed('lea', since(`${held}`));
  const rows = (await drain(feed)).filter(({ id }) => id !== '_user/lea');
  assert.deepEqual(
    rows.map(({ at, id, deleted: isDeleted }) => ({ at, id, isDeleted })),
    // v3 it never had.
    [{ at: { trigger: change, seq: deleted }, id: 'v1', isDeleted: true }],
  );
});

test('a feed of a user who is deleted ends with the error of its reader', async () => {
  await using db = await openTestFeeds();
  await db.user('tom', ['a']);
  using feed = db.feed('tom');
  const { signal } = new AbortController();
  await feed.nextPage(signal);
  const waiting = feed.wait(signal);
  await db.removeUser('tom');
  await waiting;
  await assert.rejects(feed.nextPage(signal), (cause) => isGatewayError(cause, 'unauthorized'));
});

test('a page larger than one read of the bucket is told in order, without gaps', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  const count = 2500;
  for (let at = 0; at < count; at += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, i) => db.put(`k${at + i}`, ['a', 'b'])));
  }
  for (const includeDocs of [false, true]) {
    using feed = db.feed('ann', { ...since('1'), includeDocs });
    const seqs = (await drain(feed)).map(({ at }) => at.seq);
    assert.deepEqual(
      seqs,
      Array.from({ length: count }, (_, i) => i + 2),
    );
  }
  await db.user('ben', ['b']);
  using filled = db.feed('ben');
  assert.equal((await drain(filled)).length, count + 1);
});
