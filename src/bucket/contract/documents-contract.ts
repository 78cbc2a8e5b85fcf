import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { FLAG } from '../bucket.ts';
import { apply, docId, move, type OpenBucket, putDocument, revId } from './changes.ts';

/** The contract of collections, documents, kept bodies, scans and expiry. */
export function documentsContract(open: OpenBucket): void {
  test('a collection has one number, whoever opens it, and others have others', async () => {
    await using bucket = await open();
    const [one, same] = await Promise.all([
      bucket.openCollection('shop.orders'),
      bucket.openCollection('shop.orders'),
    ]);
    assert.equal(one, same);
    assert.equal(await bucket.openCollection('shop.orders'), one);
    assert.notEqual(await bucket.openCollection('shop.carts'), one);
  });

  test('a bucket has a UUID', async () => {
    await using bucket = await open();
    assert.match(bucket.uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test('a document that was written is read, in its collection alone', async () => {
    await using bucket = await open();
    const orders = await bucket.openCollection('shop.orders');
    const carts = await bucket.openCollection('shop.carts');
    const { cas, seq } = await apply(
      bucket,
      putDocument(orders, 'a', {
        body: '{"n":1.0,"ключ":"\u0000"}',
        expiry: 4e9,
        rev: revId('1-x'),
        flags: FLAG.branched,
        metadata: '{"m":1}',
      }),
    );
    assert.deepEqual(await bucket.get(orders, docId('a')), {
      key: 'a',
      cas,
      body: '{"n":1.0,"ключ":"\u0000"}',
      xattrs: null,
      expiry: 4e9,
      metadata: {
        rev: '1-x',
        seq,
        flags: FLAG.branched,
        cas,
        bodyCrc: crc32('{"n":1.0,"ключ":"\u0000"}'),
        xattrCrc: undefined,
        text: '{"m":1}',
      },
    });
    assert.equal(await bucket.get(carts, docId('a')), undefined);
    assert.equal(await bucket.get(orders, docId('b')), undefined);
  });

  test('a tombstone has no body and no expiry, and can be written again', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { expiry: 4e9 }));
    const tombstone = { ifCas: first.cas, body: null, flags: FLAG.deleted, rev: revId('2-t') };
    const second = await apply(bucket, putDocument(c, 'a', tombstone));
    const stored = await bucket.get(c, docId('a'));
    assert.equal(stored?.body, null);
    assert.equal(stored?.expiry, 0);
    assert.equal(stored?.cas, second.cas);
    assert.equal(stored?.metadata?.rev, '2-t');
    await apply(bucket, putDocument(c, 'a', { ifCas: second.cas, body: '{"back":1}' }));
    assert.equal((await bucket.get(c, docId('a')))?.body, '{"back":1}');
  });

  test('getMany answers in the order of the keys', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([putDocument(c, 'a'), putDocument(c, 'b')]);
    const found = await bucket.getMany(c, ['b', 'none', 'a', 'b'].map(docId));
    assert.deepEqual(
      found.map((stored) => stored?.key),
      ['b', undefined, 'a', 'b'],
    );
    assert.deepEqual(await bucket.getMany(c, []), []);
  });

  test('superseded bodies are kept as asked, and dropped as asked', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { body: '{"v":1}' }));
    const logo = { digest: 'sha1-x', length: 1, revpos: 1 };
    const attachments = { logo } as never;
    const second = await apply(
      bucket,
      putDocument(c, 'a', {
        ifCas: first.cas,
        body: '{"v":2}',
        keepBodies: [
          { rev: revId('1-a'), body: 'stored', attachments, expiry: 0 },
          { rev: revId('1-b'), body: '{"losing":1}', attachments: {}, expiry: 4e9 },
        ],
      }),
    );
    const kept = await bucket.getRevisionBody(c, docId('a'), revId('1-a'));
    assert.deepEqual(kept, { body: '{"v":1}', attachments: { logo } });
    const losing = await bucket.getRevisionBody(c, docId('a'), revId('1-b'));
    assert.deepEqual(losing, { body: '{"losing":1}', attachments: {} });
    assert.equal(await bucket.getRevisionBody(c, docId('a'), revId('2-a')), undefined);
    await apply(bucket, putDocument(c, 'a', { ifCas: second.cas, dropBodies: [revId('1-b')] }));
    assert.equal(await bucket.getRevisionBody(c, docId('a'), revId('1-b')), undefined);
    assert.deepEqual(await bucket.getRevisionBody(c, docId('a'), revId('1-a')), kept);
  });

  test('a kept body that is past its expiry is absent, and goes for good', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a'));
    const keepBodies = [{ rev: revId('1-a'), body: '{}', attachments: {}, expiry: 1 }] as const;
    await apply(bucket, putDocument(c, 'a', { ifCas: first.cas, keepBodies }));
    assert.equal(await bucket.getRevisionBody(c, docId('a'), revId('1-a')), undefined);
    assert.equal(await bucket.removeExpired(2, 60), false);
  });

  test('a scan gives keys in the order of their UTF-8 bytes, tombstones too', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    // In UTF-16, the emoji comes before the last one.
    const keys = ['Z', 'a', 'a!', 'aa', 'b', 'é', '\u{1F600}', '\uFFFD'];
    const inBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    await bucket.commit(keys.toReversed().map((key) => putDocument(c, key)));
    const b = await bucket.get(c, docId('b'));
    await bucket.commit([putDocument(c, 'b', { ifCas: b?.cas ?? 'absent', body: null })]);
    const scan = async (range: object): Promise<readonly string[]> => {
      const found = await bucket.scan(c, { limit: 100, bodies: true, ...range });
      return found.map(({ key }) => key);
    };
    assert.deepEqual(await scan({}), inBytes);
    assert.deepEqual(await scan({ start: 'a', end: 'b' }), ['a', 'a!', 'aa', 'b']);
    assert.deepEqual(await scan({ start: 'a', after: 'a' }), inBytes.slice(2));
    assert.deepEqual(await scan({ start: 'b', after: 'a', limit: 1 }), ['b']);
    assert.deepEqual(await scan({ start: 'x', end: 'b' }), []);
  });

  test('a scan gives bodies where they are wanted', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'a', { body: '{"v":1}' }));
    const [whole] = await bucket.scan(c, { limit: 1, bodies: true });
    assert.deepEqual(whole, await bucket.get(c, docId('a')));
    const [bare] = await bucket.scan(c, { limit: 1, bodies: false });
    assert.deepEqual(bare, { ...whole, body: null });
  });

  test('expired documents of a collection are told, the earliest first', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([
      putDocument(await bucket.openCollection('s.c'), 'other', { expiry: 50 }),
      putDocument(c, 'late', { expiry: 200 }),
      putDocument(c, 'early', { expiry: 100 }),
      putDocument(c, 'never', { expiry: 0 }),
      putDocument(c, 'future', { expiry: 300 }),
    ]);
    assert.deepEqual(await bucket.expiredDocuments(c, 200, 10), ['early', 'late']);
    assert.deepEqual(await bucket.expiredDocuments(c, 200, 1), ['early']);
    assert.deepEqual(await bucket.expiredDocuments(c, 99, 10), []);
  });

  test('a purged document leaves nothing behind, and may be created anew', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { channels: move(['x', 'y']) }));
    const second = await apply(
      bucket,
      putDocument(c, 'a', {
        ifCas: first.cas,
        channels: move(['x'], ['y']),
        keepBodies: [{ rev: revId('1-a'), body: 'stored', attachments: {}, expiry: 0 }],
      }),
    );
    const purge = { kind: 'purge', collection: c, key: docId('a') } as const;
    assert.deepEqual(await bucket.commit([{ ...purge, ifCas: first.cas }]), [
      { ok: false, failed: 'cas', actualCas: second.cas },
    ]);
    assert.equal((await apply(bucket, { ...purge, ifCas: second.cas })).seq, 0);
    assert.equal(await bucket.get(c, docId('a')), undefined);
    assert.equal(await bucket.lastSequence(), second.seq);
    await apply(bucket, purge);
    await apply(bucket, putDocument(c, 'a'));
    assert.equal(await bucket.getRevisionBody(c, docId('a'), revId('1-a')), undefined);
    const request = { collection: c, after: 0 as never, limit: 10, bodies: true, branches: false };
    assert.deepEqual((await bucket.readChannels({ ...request, channels: ['x', 'y'] })).rows, []);
  });
}
