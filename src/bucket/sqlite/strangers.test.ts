import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';

import type { Bucket, CollectionId } from '../bucket.ts';
import { apply, channelRequest, docId, move, putDocument, revId } from '../contract/changes.ts';
import { testServer } from './test-support.ts';

/** A bucket, and an application that writes to its documents with plain SQL. */
async function withStranger(
  run: (bucket: Bucket, c: CollectionId, sql: (text: string) => void) => Promise<void>,
): Promise<void> {
  await using held = await testServer();
  await using bucket = await held.server.open('shared', { create: true });
  const stranger = new DatabaseSync(`${held.path}/shared.sqlite`);
  const c = await bucket.openCollection('_default._default');
  await run(bucket, c, (text) => stranger.exec(text));
  stranger.close();
}

for (const [how, sql] of [
  ['rewrites', `INSERT OR REPLACE INTO documents (key, body) VALUES ('a', '{"theirs":1}')`],
  ['updates', `UPDATE documents SET body = '{"theirs":1}' WHERE key = 'a'`],
] as const) {
  test(`a stranger who ${how} a document changes its CAS, and leaves its metadata`, async () => {
    await withStranger(async (bucket, c, stranger) => {
      const ours = await apply(bucket, putDocument(c, 'a', { channels: move(['x']) }));
      stranger(sql);
      const stored = await bucket.get(c, docId('a'));
      assert.equal(stored?.body, '{"theirs":1}');
      assert.notEqual(stored.cas, ours.cas);
      assert.equal(stored.metadata?.cas, ours.cas);
      assert.deepEqual(await bucket.scan(c, { limit: 9, bodies: true }), [stored]);
      assert.deepEqual(await bucket.commit([putDocument(c, 'a', { ifCas: ours.cas })]), [
        { ok: false, failed: 'cas', actualCas: stored.cas },
      ]);
      const page = await bucket.readChannels(channelRequest(c, ['x'], { bodies: true }));
      assert.deepEqual(
        page.rows.map(({ body }) => body),
        [null],
      );
      const imported = { ifCas: stored.cas, body: stored.body, rev: revId('2-b') };
      const { cas } = await apply(
        bucket,
        putDocument(c, 'a', { ...imported, channels: move(['x']) }),
      );
      assert.equal((await bucket.get(c, docId('a')))?.cas, cas);
      const [row] = (await bucket.readChannels(channelRequest(c, ['x'], { bodies: true }))).rows;
      assert.equal(row?.body, '{"theirs":1}');
    });
  });
}

test('a document that only a stranger wrote is read, scanned, imported and purged', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'b'));
    stranger(`INSERT INTO documents (key, body, expiry) VALUES ('a', '1', 7), ('c', '3', 0)`);
    const a = await bucket.get(c, docId('a'));
    assert.deepEqual(a, { key: 'a', cas: a?.cas, body: '1', expiry: 7, metadata: undefined });
    const scan = await bucket.scan(c, { limit: 9, bodies: false });
    assert.deepEqual(
      scan.map(({ key, body }) => [key, body]),
      [
        ['a', null],
        ['b', null],
        ['c', null],
      ],
    );
    assert.deepEqual(await bucket.expiredDocuments(c, 7, 9), ['a']);
    const keepBodies = [{ rev: revId('1-s'), body: 'stored', attachments: {}, expiry: 0 }] as const;
    await apply(bucket, putDocument(c, 'a', { ifCas: a.cas, body: '2', keepBodies }));
    assert.equal((await bucket.getRevisionBody(c, docId('a'), revId('1-s')))?.body, '1');
    await apply(bucket, { kind: 'purge', collection: c, key: docId('c') });
    assert.equal(await bucket.get(c, docId('c')), undefined);
  });
});

test('a document whose body a stranger deleted is there without it, with another CAS', async () => {
  await withStranger(async (bucket, c, stranger) => {
    const ours = await apply(bucket, putDocument(c, 'a'));
    stranger(`DELETE FROM documents WHERE key = 'a'`);
    const stored = await bucket.get(c, docId('a'));
    assert.equal(stored?.body, null);
    assert.notEqual(stored.cas, ours.cas);
    assert.equal(stored.metadata?.cas, ours.cas);
    const stale = await bucket.commit([putDocument(c, 'a', { ifCas: ours.cas })]);
    assert.deepEqual(stale, [{ ok: false, failed: 'cas', actualCas: stored.cas }]);
    await apply(bucket, putDocument(c, 'a', { ifCas: stored.cas, body: null, flags: 1 }));
    stranger(`INSERT INTO documents (key, body) VALUES ('a', '{"back":1}')`);
    const back = await bucket.get(c, docId('a'));
    assert.equal(back?.body, '{"back":1}');
    await apply(bucket, putDocument(c, 'a', { ifCas: back.cas, body: '{"ours":1}' }));
    assert.equal((await bucket.get(c, docId('a')))?.body, '{"ours":1}');
  });
});

test('a stranger who moves a document to another key has deleted one and made one', async () => {
  await withStranger(async (bucket, c, stranger) => {
    await apply(bucket, putDocument(c, 'a', { body: '{"v":1}' }));
    stranger(`UPDATE documents SET key = 'b' WHERE key = 'a'`);
    assert.equal((await bucket.get(c, docId('a')))?.body, null);
    const b = await bucket.get(c, docId('b'));
    assert.deepEqual([b?.body, b?.metadata], ['{"v":1}', undefined]);
  });
});
