import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRevId } from '../document/rev-id.ts';
import type { DocId } from '../document/types.ts';
import { isGatewayError } from '../util/errors.ts';
import { deletionDraft } from './drafts.ts';
import { ADMIN, openTestCollection } from './test-collection.ts';
import type { TestCollection } from './test-collection.ts';
import { updateDocument } from './update-document.ts';

const cancellation = { signal: AbortSignal.timeout(60_000) };

async function push(
  { collection }: TestCollection,
  id: string,
  pushed: { readonly rev: string; readonly ancestors: readonly string[]; readonly body?: object },
): Promise<void> {
  const [generation = '', digest = ''] = pushed.rev.split('-');
  const ids = [digest, ...pushed.ancestors.map((rev) => rev.split('-')[1])];
  const text = JSON.stringify({ ...pushed.body, _revisions: { start: Number(generation), ids } });
  await collection.update(ADMIN, id, { text, newEdits: false, cancellation });
}

async function channelsOf({ bucket, context }: TestCollection, id: string) {
  const stored = await bucket.readChannels({
    collection: context.id,
    channels: ['a', 'b', 'c'],
    after: 0 as never,
    limit: 100,
    bodies: false,
    branches: false,
  });
  const REMOVED = 2;
  return stored.rows
    .filter(({ key, flags }) => key === id && (flags & REMOVED) === 0)
    .map(({ channel }) => channel);
}

test('of writes of one new document at the same time one is made, the others conflict', async () => {
  await using opened = await openTestCollection();
  const writes = Array.from({ length: 20 }, (_, n) => opened.put('d', { n }));
  const outcomes = await Promise.allSettled(writes);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert(isGatewayError(outcome.reason, 'conflict'));
});

test('edits of one revision at the same time give one child', async () => {
  await using opened = await openTestCollection();
  const first = await opened.put('d', { n: 0 });
  const edits = Array.from({ length: 20 }, (_, n) => opened.put('d', { n }, first));
  const made = (await Promise.allSettled(edits)).filter(({ status }) => status === 'fulfilled');
  assert.equal(made.length, 1);
  const read = await opened.collection.read(ADMIN, 'd');
  assert.match(read.rev, /^2-/);
});

test('a write is judged anew by a function that another process has set meanwhile', async () => {
  await using opened = await openTestCollection({ sync: 'function () { channel("a"); }' });
  const { record } = opened.context.syncFunction.now;
  const source = 'function () { channel("b"); }';
  const value = JSON.stringify({ source });
  await opened.bucket.commit([{ kind: 'record', record, value, expiry: 0 }]);
  await opened.put('d', {});
  assert.deepEqual(await channelsOf(opened, 'd'), ['b']);
});

test('a write that asked for a right that was revoked meanwhile is refused', async () => {
  await using opened = await openTestCollection({
    sync: 'function (doc) { requireAccess("a"); channel("a"); }',
  });
  await opened.principals.putUser('ann', { password: 'letmein', admin_channels: ['a'] });
  const stale = await opened.user('ann');
  await opened.principals.putUser('ann', { admin_channels: [] });
  await assert.rejects(
    opened.collection.update(stale, 'd', { text: '{}', newEdits: true, cancellation }),
    (cause) => isGatewayError(cause, 'forbidden'),
  );
  assert.equal(await opened.bucket.get(opened.context.id, 'd' as DocId), undefined);
});

test('a write that asked for no right goes on though the writer’s rights changed', async () => {
  await using opened = await openTestCollection();
  await opened.principals.putUser('ann', { password: 'letmein', admin_channels: ['a'] });
  const stale = await opened.user('ann');
  await opened.principals.putUser('ann', { admin_channels: [] });
  const text = '{"channels":["a"]}';
  const { rev } = await opened.collection.update(stale, 'd', {
    text,
    newEdits: true,
    cancellation,
  });
  assert.match(rev, /^1-/);
});

test('a superseded body is there for its time, and then is not', async () => {
  await using opened = await openTestCollection({ old_rev_expiry_seconds: 60 });
  const first = parseRevId(await opened.put('d', { n: 1 }));
  await opened.put('d', { n: 2 }, first);
  assert.match((await opened.collection.read(ADMIN, 'd', first)).text(), /"n":1/);
  opened.clock.advance(61);
  await opened.bucket.removeExpired(Math.floor(opened.clock.now() / 1000), 3600);
  await assert.rejects(
    async () => opened.collection.read(ADMIN, 'd', first),
    (cause) => isGatewayError(cause, 'missing'),
  );
});

test('with old_rev_expiry_seconds 0 a superseded body is not kept', async () => {
  await using opened = await openTestCollection({ old_rev_expiry_seconds: 0 });
  const first = parseRevId(await opened.put('d', { n: 1 }));
  await opened.put('d', { n: 2 }, first);
  await assert.rejects(
    async () => opened.collection.read(ADMIN, 'd', first),
    (cause) => isGatewayError(cause, 'missing'),
  );
});

test('a deleted winner lets the other branch win, with its body, channels and grants', async () => {
  await using opened = await openTestCollection({
    allow_conflicts: true,
    sync: `function (doc) { channel(doc.ch); if (doc.to) access(doc.to, "granted"); }`,
  });
  const a = `2-${'a'.repeat(32)}`;
  const b = `2-${'b'.repeat(32)}`;
  const root = `1-${'0'.repeat(32)}`;
  await push(opened, 'd', { rev: a, ancestors: [root], body: { ch: 'a', to: 'ann' } });
  await push(opened, 'd', { rev: b, ancestors: [root], body: { ch: 'b' } });
  assert.deepEqual(await channelsOf(opened, 'd'), ['b']);
  await opened.principals.putUser('ann', { password: 'letmein' });
  const heldBefore = (await opened.principals.access('ann')).channels(opened.context.id).current;
  assert.equal(heldBefore.has('granted'), false);

  await opened.collection.remove(ADMIN, 'd', { rev: parseRevId(b), cancellation });
  const read = await opened.collection.read(ADMIN, 'd');
  assert.equal(read.rev, a);
  assert.match(read.text(), /"ch":"a"/);
  assert.deepEqual(await channelsOf(opened, 'd'), ['a']);
  const held = (await opened.principals.access('ann')).channels(opened.context.id).current;
  assert.equal(held.has('granted'), true);
});

test('a branch that would rise and goes on meanwhile is no damage: the deletion is judged anew', async () => {
  await using opened = await openTestCollection({
    allow_conflicts: true,
    old_rev_expiry_seconds: 0,
  });
  const root = `1-${'0'.repeat(32)}`;
  const rising = `2-${'a'.repeat(32)}`;
  const winner = parseRevId(`2-${'b'.repeat(32)}`);
  await push(opened, 'd', { rev: rising, ancestors: [root], body: { n: 1 } });
  await push(opened, 'd', { rev: winner, ancestors: [root], body: { n: 2 } });
  const next = `3-${'a'.repeat(32)}`;
  let drafts = 0;
  const written = await updateDocument(opened.context, {
    key: 'd' as DocId,
    writer: ADMIN,
    draft: async () => {
      drafts += 1;
      if (drafts === 1)
        await push(opened, 'd', { rev: next, ancestors: [rising, root], body: { n: 3 } });
      return deletionDraft(winner);
    },
  });
  assert.equal(drafts, 2);
  assert.match(written.rev, /^3-/);
  const read = await opened.collection.read(ADMIN, 'd');
  assert.equal(read.rev, next);
  assert.match(read.text(), /"n":3/);
});

test('a losing branch that is pushed changes neither routing nor grants of the winner', async () => {
  await using opened = await openTestCollection({ allow_conflicts: true });
  const root = `1-${'0'.repeat(32)}`;
  const winner = `2-${'f'.repeat(32)}`;
  await push(opened, 'd', { rev: winner, ancestors: [root], body: { channels: ['a'] } });
  const loser = `2-${'1'.repeat(32)}`;
  await push(opened, 'd', { rev: loser, ancestors: [root], body: { channels: ['b'], n: 7 } });
  assert.deepEqual(await channelsOf(opened, 'd'), ['a']);
  const read = await opened.collection.read(ADMIN, 'd', parseRevId(loser));
  assert.match(read.text(), /"n":7/);
});

test('revisions beyond revs_limit are forgotten, with their bodies', async () => {
  await using opened = await openTestCollection({ revs_limit: 3 });
  const first = await opened.put('d', { n: 1 });
  let rev = first;
  for (let n = 2; n <= 6; n++) rev = await opened.put('d', { n }, rev);
  const revisions = (await opened.collection.read(ADMIN, 'd')).text({ revisions: {} });
  assert.match(revisions, /"start":6,"ids":\[("[0-9a-f]{32}",?){3}\]/);
  await assert.rejects(
    async () => opened.collection.read(ADMIN, 'd', parseRevId(first)),
    (cause) => isGatewayError(cause, 'missing'),
  );
});

test('what expires becomes a tombstone though the sync function refuses deletions', async () => {
  await using opened = await openTestCollection({
    sync: 'function (doc) { if (doc._deleted) throw({ forbidden: "no" }); channel("a"); }',
  });
  const rev = parseRevId(await opened.put('d', {}));
  const request = { key: 'd' as DocId, writer: ADMIN, draft: () => deletionDraft(rev) };
  await assert.rejects(updateDocument(opened.context, request), (cause) =>
    isGatewayError(cause, 'forbidden'),
  );
  await updateDocument(opened.context, { ...request, mustPass: true });
  assert.deepEqual(await channelsOf(opened, 'd'), []);
  await assert.rejects(
    async () => opened.collection.read(ADMIN, 'd'),
    (cause) => isGatewayError(cause, 'deleted'),
  );
});

test('bytes of another document cannot be had by naming their digest', async () => {
  await using opened = await openTestCollection();
  await opened.put('mine', { _attachments: { f: { data: 'c2VjcmV0' } } });
  const { attachments } = await opened.collection.read(ADMIN, 'mine');
  const digest = attachments['f']?.digest;
  assert(digest !== undefined);
  const theirs = { _attachments: { f: { stub: true, digest, revpos: 1 } } };
  await assert.rejects(opened.put('theirs', theirs), (cause) =>
    isGatewayError(cause, 'badRequest'),
  );
});
