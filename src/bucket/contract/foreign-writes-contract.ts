import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { type DocId, ZERO } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import { BATCH_MAX, FLAG, type Bucket, type CollectionId, type StoredDocument } from '../bucket.ts';
import type { RejectionChange, TakenChange } from '../foreign-writes.ts';
import { apply, docId, move, putDocument, putRecord, recordKey, revId } from './changes.ts';

/** An application that writes to the bucket itself. Each write is a transaction of its own. */
export interface Stranger {
  put(
    collection: CollectionId,
    key: string,
    written?: { readonly body?: string; readonly expiry?: number },
  ): Promise<void>;
  expire(collection: CollectionId, key: string, expiry: number): Promise<void>;
  setXattrs(collection: CollectionId, key: string, xattrs: string): Promise<void>;
  remove(collection: CollectionId, key: string): Promise<void>;
}

/** Opens an empty bucket of its own with a stranger; both are gone when it is disposed. */
export type OpenShared = () => Promise<
  AsyncDisposable & { readonly bucket: Bucket; readonly stranger: Stranger }
>;

/** Keys in the queue of a collection, in order. */
export async function queuedKeys(bucket: Bucket, c: CollectionId): Promise<readonly DocId[]> {
  const writes = await bucket.foreignWrites.list(c, { after: 0, limit: BATCH_MAX });
  return writes.map(({ key }) => key);
}

export async function rejectedKeys(bucket: Bucket, c: CollectionId): Promise<readonly DocId[]> {
  const rejected = await bucket.foreignWrites.listRejected(c, { limit: BATCH_MAX });
  return rejected.map(({ key }) => key);
}

export function rejection(
  collection: CollectionId,
  { key, cas }: StoredDocument,
  options: Partial<RejectionChange> = {},
): RejectionChange {
  const said = { rejectedAs: 'filter', reason: 'it says no' } as const;
  return { kind: 'rejection', collection, key, ifCas: cas, ...said, ...options };
}

const taken = (collection: CollectionId, { key, cas }: StoredDocument): TakenChange => ({
  kind: 'taken',
  collection,
  key,
  ifCas: cas,
});

async function stored(bucket: Bucket, c: CollectionId, key: string): Promise<StoredDocument> {
  return must(await bucket.get(c, docId(key)), 'it is there');
}

/** The contract of foreign writes. */
export function foreignWritesContract(open: OpenShared): void {
  queueContract(open);
  takingContract(open);
  rejectionContract(open);
}

function queueContract(open: OpenShared): void {
  test('foreign writes are queued in their order, each document once', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const { foreignWrites } = bucket;
    const one = await bucket.openCollection('s.one');
    const two = await bucket.openCollection('s.two');
    assert.equal(await foreignWrites.newest(), 0);
    assert.deepEqual(await foreignWrites.backlog(one, 9), { count: 0, oldestMs: undefined });
    const before = Date.now();
    for (const key of ['a', 'b', 'c']) await stranger.put(one, key);
    await stranger.put(two, 'a');
    await stranger.put(one, 'a');
    assert.deepEqual(await queuedKeys(bucket, one), ['b', 'c', 'a']);
    assert.deepEqual(await queuedKeys(bucket, two), ['a']);
    const [first, ...others] = await foreignWrites.list(one, { after: 0, limit: 9 });
    assert.ok(first !== undefined);
    assert.ok(first.queuedMs >= before - 5 && first.queuedMs <= Date.now() + 5);
    assert.equal(first.collection, one);
    const after = { after: first.position, limit: 1 };
    assert.deepEqual(await foreignWrites.list(one, after), others.slice(0, 1));
    assert.equal(others.at(-1)?.position, await foreignWrites.newest());
    assert.deepEqual(await foreignWrites.backlog(one, 9), { count: 3, oldestMs: first.queuedMs });
    assert.equal((await foreignWrites.backlog(one, 2)).count, 2);
  });

  test('what a stranger deletes is queued where a gateway has a revision of it', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([putDocument(c, 'a'), putDocument(c, 'gone', { body: null, flags: 1 })]);
    await stranger.put(c, 'theirs');
    await stranger.put(c, 'gone');
    assert.deepEqual(await queuedKeys(bucket, c), ['theirs', 'gone']);
    for (const key of ['a', 'theirs', 'gone']) await stranger.remove(c, key);
    assert.deepEqual(await queuedKeys(bucket, c), ['a']);
  });

  test('what gateways do is not queued', async () => {
    await using shared = await open();
    const { bucket } = shared;
    const c = await bucket.openCollection('_default._default');
    const a = await apply(bucket, putDocument(c, 'a', { expiry: 7 }));
    const b = await apply(bucket, putDocument(c, 'b'));
    const stays = { ifCas: a.cas, body: null, keepsBody: true, rev: revId('2-b') } as const;
    await apply(bucket, putDocument(c, 'a', stays));
    const changes = [putDocument(c, 'b', { ifCas: b.cas }), putDocument(c, 'a')];
    const [failed] = await bucket.commit([{ kind: 'batch', changes }]);
    assert.equal(failed?.ok, false);
    await apply(bucket, putRecord(recordKey('r')));
    await apply(bucket, putDocument(c, 'b', { ifCas: b.cas, body: null, flags: FLAG.deleted }));
    await apply(bucket, { kind: 'purge', collection: c, key: docId('a') });
    assert.equal(await bucket.foreignWrites.newest(), 0);
  });

  test('after a batch that was taken back, foreign writes are queued as before', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const changes = [putDocument(c, 'a'), putDocument(c, 'a')];
    assert.equal((await bucket.commit([{ kind: 'batch', changes }]))[0]?.ok, false);
    await stranger.put(c, 'b');
    await bucket.commit([putDocument(c, 'x'), { kind: 'batch', changes }]);
    await stranger.put(c, 'c');
    assert.deepEqual(await queuedKeys(bucket, c), ['b', 'c']);
  });

  test('who waits for foreign writes is woken by one, by the signal, and by the end', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const { foreignWrites } = bucket;
    const stop = new AbortController();
    const never = foreignWrites.above(1e9, stop.signal);
    const first = foreignWrites.above(0, stop.signal);
    await stranger.put(c, 'a');
    await first;
    assert.equal(await foreignWrites.newest(), 1);
    await foreignWrites.above(0, stop.signal);
    stop.abort();
    await never;
    const end = foreignWrites.above(1, new AbortController().signal);
    await bucket[Symbol.asyncDispose]();
    await end;
  });
}

function takingContract(open: OpenShared): void {
  test('the commit that takes a foreign write in takes it out of the queue', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'a'));
    await apply(bucket, putDocument(c, 'b'));
    for (const key of ['a', 'c']) await stranger.put(c, key);
    await stranger.remove(c, 'b');
    const [a, b, d] = [await stored(bucket, c, 'a'), await stored(bucket, c, 'b'), 'd'];
    const stale = await bucket.commit([putDocument(c, 'a', { ifCas: must(a.metadata, 'm').cas })]);
    assert.equal(stale[0]?.ok, false);
    assert.deepEqual(await queuedKeys(bucket, c), ['a', 'c', 'b']);
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas, body: a.body, rev: revId('2-b') }));
    await apply(bucket, putDocument(c, 'b', { ifCas: b.cas, body: null, flags: FLAG.deleted }));
    await apply(bucket, putDocument(c, d));
    assert.deepEqual(await queuedKeys(bucket, c), ['c']);
    await apply(bucket, { kind: 'purge', collection: c, key: docId('c') });
    assert.deepEqual(await queuedKeys(bucket, c), []);
  });

  test('the CRC of the body tells a foreign write of the same body', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const body = '{"é":1}';
    const a = await apply(bucket, putDocument(c, 'a', { body, xattrCrc: 7 }));
    await stranger.expire(c, 'a', 4e9);
    const foreign = await stored(bucket, c, 'a');
    assert.notEqual(foreign.cas, a.cas);
    assert.equal(foreign.metadata?.bodyCrc, crc32(Buffer.from(body)));
    assert.equal(crc32(must(foreign.body, 'there')), foreign.metadata.bodyCrc);
    assert.deepEqual(await bucket.commit([taken(c, foreign)]), [{ ok: true, cas: a.cas, seq: 0 }]);
    assert.deepEqual(await stored(bucket, c, 'a'), { ...foreign, cas: a.cas });
    assert.equal(foreign.expiry, 4e9);
    assert.equal(await bucket.lastSequence(), a.seq);
    assert.deepEqual(await queuedKeys(bucket, c), []);
    const stays = { ifCas: a.cas, keepsBody: true, rev: revId('2-b'), xattrCrc: null } as const;
    await apply(bucket, putDocument(c, 'a', stays));
    const { metadata } = await stored(bucket, c, 'a');
    assert.deepEqual([metadata?.bodyCrc, metadata?.xattrCrc], [crc32(body), undefined]);
  });

  test('what was rewritten as it was is taken as the body of its revision', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const a = await apply(bucket, putDocument(c, 'a'));
    await stranger.put(c, 'a', { body: '{"plain":true}' });
    const foreign = await stored(bucket, c, 'a');
    await apply(bucket, taken(c, foreign));
    assert.deepEqual(await stored(bucket, c, 'a'), { ...foreign, cas: a.cas });
    const page = await bucket.scan(c, { limit: 9, bodies: true });
    assert.deepEqual(
      page.map(({ body }) => body),
      ['{"plain":true}'],
    );
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas, body: '{"v":2}', rev: revId('2-b') }));
    assert.equal((await stored(bucket, c, 'a')).body, '{"v":2}');
  });

  test('what is the gateway’s, or is not there, can be taken; what changed cannot', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'a'));
    const own = await stored(bucket, c, 'a');
    await apply(bucket, taken(c, own));
    await apply(bucket, { kind: 'taken', collection: c, key: docId('x'), ifCas: 'absent' });
    await stranger.put(c, 'a');
    const { cas } = await stored(bucket, c, 'a');
    const failed = { ok: false, failed: 'cas', actualCas: cas };
    assert.deepEqual(await bucket.commit([taken(c, own)]), [failed]);
    const lease = { name: 'nobody has it', fence: 1 };
    const held = { ...taken(c, { ...own, cas }), lease };
    assert.deepEqual(await bucket.commit([held]), [{ ok: false, failed: 'lease' }]);
    assert.deepEqual(await queuedKeys(bucket, c), ['a']);
  });

  test('extended attributes are the strangers’ own, and stay with the document', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'a'));
    await stranger.setXattrs(c, 'a', '{"x":{"channels":["y"]}}');
    const foreign = await stored(bucket, c, 'a');
    assert.equal(foreign.xattrs, '{"x":{"channels":["y"]}}');
    assert.deepEqual(await queuedKeys(bucket, c), ['a']);
    const routed = { ifCas: foreign.cas, body: null, keepsBody: true, xattrCrc: 5 } as const;
    const { cas } = await apply(bucket, putDocument(c, 'a', routed));
    await apply(bucket, putDocument(c, 'a', { ifCas: cas, body: '{"v":2}' }));
    const after = await stored(bucket, c, 'a');
    assert.deepEqual([after.xattrs, after.metadata?.xattrCrc], [foreign.xattrs, 5]);
  });

  test('foreign documents expire once they are taken in', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'a', { expiry: 5 }));
    await stranger.put(c, 'a', { expiry: 6 });
    await stranger.put(c, 'b', { expiry: 7 });
    assert.deepEqual(await bucket.expiredDocuments(c, 9, 9), []);
    const [a, b] = [await stored(bucket, c, 'a'), await stored(bucket, c, 'b')];
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas, expiry: a.expiry }));
    await apply(bucket, putDocument(c, 'b', { ifCas: b.cas, expiry: b.expiry }));
    assert.deepEqual(await bucket.expiredDocuments(c, 9, 9), ['a', 'b']);
  });
}

function rejectionContract(open: OpenShared): void {
  test('what is rejected leaves the queue, is listed, and stays foreign', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    for (const key of ['b', 'a', 'c']) await stranger.put(c, key);
    const a = await stored(bucket, c, 'a');
    const before = Date.now();
    await apply(bucket, rejection(c, a));
    await apply(bucket, rejection(c, await stored(bucket, c, 'b'), { rejectedAs: 'body' }));
    assert.deepEqual(await queuedKeys(bucket, c), ['c']);
    const [first, ...others] = await bucket.foreignWrites.listRejected(c, { limit: 9 });
    assert.ok(first !== undefined && Math.abs(first.atMs - before) < 5000);
    const said = { rejectedAs: 'filter', reason: 'it says no', atMs: first.atMs };
    assert.deepEqual(first, { key: 'a', cas: a.cas, ...said });
    assert.deepEqual(
      await bucket.foreignWrites.listRejected(c, { after: docId('a'), limit: 9 }),
      others,
    );
    assert.equal(await bucket.foreignWrites.countRejected(c, 9), 2);
    assert.equal(await bucket.foreignWrites.countRejected(c, 1), 1);
    assert.deepEqual(await stored(bucket, c, 'a'), a);
    assert.equal(await bucket.lastSequence(), 0);
  });

  test('a rejection of what has changed since is none', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    await stranger.put(c, 'a');
    const a = await stored(bucket, c, 'a');
    await stranger.put(c, 'a');
    const { cas } = await stored(bucket, c, 'a');
    const failed = { ok: false, failed: 'cas', actualCas: cas };
    assert.deepEqual(await bucket.commit([rejection(c, a)]), [failed]);
    const judged = { function: { record: recordKey('sync'), cas } };
    const now = rejection(c, { ...a, cas }, judged);
    assert.deepEqual(await bucket.commit([now]), [{ ok: false, failed: 'function' }]);
    assert.deepEqual(await queuedKeys(bucket, c), ['a']);
    assert.deepEqual(await rejectedKeys(bucket, c), []);
  });

  test('the next foreign write, an import and a purge take a rejection back', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    for (const key of ['a', 'b', 'c', 'd']) await stranger.put(c, key);
    for (const key of ['a', 'b', 'c', 'd']) {
      await apply(bucket, rejection(c, await stored(bucket, c, key)));
    }
    await stranger.put(c, 'a');
    await apply(bucket, putDocument(c, 'b', { ifCas: (await stored(bucket, c, 'b')).cas }));
    await apply(bucket, { kind: 'purge', collection: c, key: docId('c') });
    await stranger.remove(c, 'd');
    assert.deepEqual(await rejectedKeys(bucket, c), []);
    assert.deepEqual(await queuedKeys(bucket, c), ['a']);
  });

  test('a rejection that hides a revision takes it out of its channels, in the history', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const grant = { principal: 'user:ann', kind: 'channel', collection: c, target: 'y' } as const;
    await apply(
      bucket,
      putDocument(c, 'a', {
        channels: move(['x']),
        grants: { database: 'db', grants: [grant] },
      }),
    );
    await stranger.put(c, 'a');
    const a = await stored(bucket, c, 'a');
    const { seq: ofSeq, rev, bodyCrc } = must(a.metadata, 'it has a revision');
    const flags = FLAG.hidden;
    const hides = { ofSeq, rev, flags, metadata: 'hidden', channels: move([], ['x']) };
    const { seq, cas } = await apply(bucket, rejection(c, a, { hides }));
    assert.deepEqual([seq, cas], [2, a.cas]);
    const hidden = await stored(bucket, c, 'a');
    const { metadata: now } = hidden;
    assert.deepEqual({ ...hidden, metadata: undefined }, { ...a, metadata: undefined });
    assert.deepEqual([now?.seq, now?.text, now?.bodyCrc], [2, 'hidden', bodyCrc]);
    const [granted] = await bucket.grantsOf(c, docId('a'));
    assert.deepEqual([granted?.target, granted?.until], ['y', 0]);
    const told = { kind: 'document', seq: 2, collection: c, key: 'a', rev, flags };
    for await (const { mutations } of bucket.mutations(ofSeq, new AbortController().signal)) {
      assert.deepEqual(mutations, [{ ...told, channels: [], removed: ['x'] }]);
      break;
    }
    const read = { collection: c, after: ZERO, limit: 9, bodies: true, branches: false };
    const { rows } = await bucket.readChannels({ ...read, channels: ['x'] });
    assert.deepEqual(
      rows.map((row) => [row.seq, row.flags, row.body]),
      [[2, FLAG.removed, null]],
    );
    // Whoever hid it first has hidden it; and nobody takes over what is refused.
    assert.equal((await apply(bucket, rejection(c, a, { hides }))).seq, 0);
    assert.deepEqual(await bucket.commit([taken(c, a)]), [{ ok: false, failed: 'function' }]);
    assert.equal(await bucket.lastSequence(), 2);
    assert.deepEqual(await rejectedKeys(bucket, c), ['a']);
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas }));
    assert.deepEqual(await rejectedKeys(bucket, c), []);
    assert.equal((await stored(bucket, c, 'a')).metadata?.flags, 0);
  });

  test('what filter or function rejected can be queued again, in steps', async () => {
    await using shared = await open();
    const { bucket, stranger } = shared;
    const c = await bucket.openCollection('_default._default');
    const keys = ['', ...Array.from({ length: BATCH_MAX + 5 }, (_, at) => `k${at}`)];
    const changes: RejectionChange[] = [];
    for (const key of ['body', ...keys]) {
      await stranger.put(c, key);
      const rejectedAs = key === 'body' ? 'body' : 'function';
      changes.push(rejection(c, await stored(bucket, c, key), { rejectedAs }));
    }
    await bucket.commit(changes.slice(0, BATCH_MAX));
    await bucket.commit(changes.slice(BATCH_MAX));
    const newest = await bucket.foreignWrites.newest();
    const woken = bucket.foreignWrites.above(newest, new AbortController().signal);
    const first = await bucket.foreignWrites.queueRejected(c, { unfit: false });
    await woken;
    assert.equal((await queuedKeys(bucket, c)).length, BATCH_MAX);
    const second = await bucket.foreignWrites.queueRejected(c, { after: first, unfit: false });
    assert.equal(second, [...keys].sort().at(-1));
    const further = { after: second, unfit: false };
    assert.equal(await bucket.foreignWrites.queueRejected(c, further), undefined);
    assert.equal((await bucket.foreignWrites.backlog(c, 5000)).count, keys.length);
    assert.deepEqual(await rejectedKeys(bucket, c), ['body']);
    assert.equal(await bucket.foreignWrites.queueRejected(c, { unfit: true }), 'body');
    assert.deepEqual(await rejectedKeys(bucket, c), []);
  });
}
