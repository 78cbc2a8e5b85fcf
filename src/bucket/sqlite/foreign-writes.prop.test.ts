import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { FLAG, type Bucket, type Change, type CollectionId } from '../bucket.ts';
import { docId, putDocument, revId } from '../contract/changes.ts';
import { queuedKeys, rejectedKeys, rejection } from '../contract/foreign-writes-contract.ts';
import { afterReads, testSharedBucket } from './stranger-support.ts';

const KEYS = ['a', 'b', 'c'] as const;
const BODIES = ['{"v":1}', '{"v":2}', '{"v":3}'] as const;

/** Statements of strangers, of a key and a body. */
const STRANGERS = [
  `INSERT OR REPLACE INTO documents (key, body) VALUES (:key, :body)`,
  `INSERT OR IGNORE INTO documents (key, body) VALUES (:key, :body)`,
  `INSERT INTO documents (key, body) VALUES (:key, :body)
   ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body`,
  `UPDATE documents SET body = :body WHERE key = :key`,
  `UPDATE documents SET expiry = 4000000000, body = :body WHERE key = :key`,
  `UPDATE OR REPLACE documents SET key = :key WHERE body = :body`,
  `UPDATE documents SET cas = 1 WHERE key = :key AND body <> :body`,
  `DELETE FROM documents WHERE key = :key OR body = :body`,
] as const;

const GATEWAYS = ['put', 'delete', 'purge', 'take', 'reject', 'queueRejected'] as const;

const step = fc.record({
  key: fc.constantFrom(...KEYS),
  body: fc.constantFrom(...BODIES),
  by: fc.oneof(
    fc.record({ stranger: fc.constantFrom(...STRANGERS), recursive: fc.boolean() }),
    fc.record({ gateway: fc.constantFrom(...GATEWAYS) }),
  ),
});

/** What a gateway that read the document last would commit; undefined for nothing. */
async function changeOf(
  bucket: Bucket,
  c: CollectionId,
  { key, body, does }: { key: string; body: string; does: (typeof GATEWAYS)[number] },
): Promise<Change | undefined> {
  const current = await bucket.get(c, docId(key));
  const { cas: ifCas = 'absent', metadata } = current ?? {};
  const isForeign = current !== undefined && current.cas !== metadata?.cas;
  switch (does) {
    case 'put':
      return putDocument(c, key, { ifCas, body, rev: revId('1-p') });
    case 'delete':
      return putDocument(c, key, { ifCas, body: null, flags: FLAG.deleted, rev: revId('1-d') });
    case 'purge':
      return { kind: 'purge', collection: c, key: docId(key) };
    case 'take': {
      const hasRevision = metadata !== undefined && (metadata.flags & FLAG.deleted) === 0;
      if (isForeign && (!hasRevision || current.body === null)) return undefined;
      return { kind: 'taken', collection: c, key: docId(key), ifCas };
    }
    default:
      return isForeign ? rejection(c, current) : undefined;
  }
}

test('exactly what is foreign is queued or rejected, whoever does what', async () => {
  await using shared = await testSharedBucket();
  const { bucket, c, db } = shared;
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
    for (const key of KEYS)
      await bucket.commit([{ kind: 'purge', collection: c, key: docId(key) }]);
    for (const { key, body, by } of steps) {
      if ('stranger' in by) {
        await afterReads();
        db.exec(`PRAGMA recursive_triggers = ${by.recursive ? 1 : 0}`);
        const named = { ...(by.stranger.includes(':key') && { key }), body };
        db.prepare(by.stranger).run(named);
      } else if (by.gateway === 'queueRejected') {
        await bucket.foreignWrites.queueRejected(c, { unfit: false });
      } else {
        const change = await changeOf(bucket, c, { key, body, does: by.gateway });
        if (change !== undefined) assert.ok((await bucket.commit([change]))[0]?.ok);
      }
      const documents = await bucket.scan(c, { limit: 100, bodies: true });
      const foreign = documents.filter(({ cas, metadata }) => cas !== metadata?.cas);
      const listed = [...(await queuedKeys(bucket, c)), ...(await rejectedKeys(bucket, c))];
      assert.deepEqual(listed.sort(), foreign.map((one) => one.key).sort());
      await isBodyOfIndex(bucket, c);
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), run), {
    numRuns: Number(process.env['FOREIGN_RUNS'] ?? 25),
  });
});

/** A document that is the gateway's has the body that its feed tells. */
async function isBodyOfIndex(bucket: Bucket, c: CollectionId): Promise<void> {
  const request = { collection: c, channels: 'all', bodies: true, branches: false } as const;
  const { rows } = await bucket.readChannels({ ...request, after: 0 as never, limit: 100 });
  for (const { key, body } of rows) {
    const document = await bucket.get(c, key);
    const isOwn = document?.cas === document?.metadata?.cas;
    assert.equal(body, isOwn ? document?.body : null);
  }
}
