import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGatewayError } from '../../util/errors.ts';
import {
  apply,
  applied,
  channelGrant,
  docId,
  type OpenBucket,
  putDocument,
  putPrincipal,
  putRecord,
  recordKey,
  seq,
} from './changes.ts';

/** The contract of commits: preconditions, results, sequences. */
export function commitContract(open: OpenBucket): void {
  test('each applied document takes the next sequence, others take none', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    assert.equal(await bucket.lastSequence(), 0);
    const results = await bucket.commit([
      putDocument(c, 'a'),
      putRecord(recordKey('r')),
      putDocument(c, 'a'),
      putPrincipal('user:ann'),
      putDocument(c, 'b'),
    ]);
    const seqs = results.map((result) => (result.ok ? result.seq : 'failed'));
    assert.deepEqual(seqs, [1, 0, 'failed', 2, 3]);
    assert.equal(await bucket.lastSequence(), 3);
    assert.deepEqual(await bucket.commit([]), []);
  });

  test('a commit with a stale CAS changes nothing and tells the actual one', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const { cas } = await apply(bucket, putDocument(c, 'a', { body: '{"v":1}' }));
    const failed = [{ ok: false, failed: 'cas', actualCas: cas }];
    assert.deepEqual(await bucket.commit([putDocument(c, 'a', { body: '{"v":2}' })]), failed);
    const other = (cas + 1) as typeof cas;
    assert.deepEqual(await bucket.commit([putDocument(c, 'a', { ifCas: other })]), failed);
    assert.deepEqual(await bucket.commit([putDocument(c, 'b', { ifCas: cas })]), [
      { ok: false, failed: 'cas', actualCas: 'absent' },
    ]);
    assert.equal((await bucket.get(c, docId('a')))?.body, '{"v":1}');
    assert.equal(await bucket.lastSequence(), 1);
  });

  test('every write gives another CAS', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a'));
    const second = await apply(bucket, putDocument(c, 'a', { ifCas: first.cas }));
    const third = await apply(bucket, putDocument(c, 'a', { ifCas: second.cas, body: null }));
    assert.equal(new Set([first.cas, second.cas, third.cas]).size, 3);
  });

  test('changes see the effects of earlier ones of the same call', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const record = recordKey('function');
    const [first] = await bucket.commit([putRecord(record)]);
    const judged = { record, cas: applied(first).cas };
    const access = { database: 'db', principals: ['user:ann'], asOf: seq(0) } as const;
    const results = await bucket.commit([
      putDocument(c, 'a', { function: judged, access }),
      putRecord(record),
      putDocument(c, 'b', { function: judged }),
      putDocument(c, 'grants', {
        grants: { database: 'db', grants: [channelGrant('user:ann', c, 'x')] },
      }),
      putDocument(c, 'c', { access }),
      putDocument(c, 'c', { access: { ...access, asOf: seq(2) } }),
      putDocument(c, 'd', { access: { ...access, principals: ['user:bob'] } }),
    ]);
    const outcomes = results.map((result) => (result.ok ? 'ok' : result.failed));
    assert.deepEqual(outcomes, ['ok', 'ok', 'function', 'ok', 'access', 'ok', 'ok']);
  });

  test('a function that is gone judges nothing', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const record = recordKey('function');
    const { cas } = await apply(bucket, putRecord(record));
    await apply(bucket, putRecord(record, { value: null }));
    const [result] = await bucket.commit([putDocument(c, 'a', { function: { record, cas } })]);
    assert.deepEqual(result, { ok: false, failed: 'function' });
  });

  test('commits made at the same time are each whole, and each has its own results', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const keys = Array.from({ length: 300 }, (_, at) => `k${at}`);
    const all = await Promise.all(
      keys.map(async (key) => await bucket.commit([putDocument(c, key), putDocument(c, key)])),
    );
    for (const [first, second] of all) {
      const { cas } = applied(first);
      assert.deepEqual(second, { ok: false, failed: 'cas', actualCas: cas });
    }
    const seqs = all.map(([first]) => applied(first).seq).toSorted((a, b) => a - b);
    assert.deepEqual(
      seqs,
      keys.map((_, at) => at + 1),
    );
    const found = await bucket.getMany(c, keys.map(docId));
    assert.ok(found.every((stored) => stored !== undefined));
  });

  test('of two that race for one document, one wins', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const all = await Promise.all(
      [1, 2, 3].map(async (n) => await bucket.commit([putDocument(c, 'a', { body: `${n}` })])),
    );
    const wins = all.flat().filter((result) => result.ok);
    assert.equal(wins.length, 1);
  });

  test('a call that the store cannot take fails alone', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const broken = putDocument(c, 'broken', { expiry: Number.NaN });
    const [bad, good] = await Promise.allSettled([
      bucket.commit([putDocument(c, 'with-broken'), broken]),
      bucket.commit([putDocument(c, 'good')]),
    ]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status, 'fulfilled');
    assert.equal(await bucket.get(c, docId('with-broken')), undefined);
    assert.notEqual(await bucket.get(c, docId('good')), undefined);
    assert.equal(await bucket.lastSequence(), 1);
  });

  test('a bucket that was disposed is unavailable, whatever is asked', async () => {
    const bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket[Symbol.asyncDispose]();
    await bucket[Symbol.asyncDispose]();
    const unavailable = (cause: unknown): boolean => isGatewayError(cause, 'unavailable');
    await assert.rejects(async () => bucket.get(c, docId('a')), unavailable);
    await assert.rejects(bucket.commit([putDocument(c, 'a')]), unavailable);
    await assert.rejects(bucket.lastSequence(), unavailable);
  });
}
