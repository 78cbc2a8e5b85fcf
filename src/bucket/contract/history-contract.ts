import assert from 'node:assert/strict';
import { test } from 'node:test';

import { must } from '../../util/assert.ts';
import { BATCH_MAX, FLAG, type Bucket, type Mutation, type MutationPage } from '../bucket.ts';
import {
  apply,
  channelGrant,
  docId,
  move,
  type OpenBucket,
  putDocument,
  putPrincipal,
  revId,
  seq,
} from './changes.ts';

/** Reads the history until it has told everything up to `upTo`. */
async function historyTo(
  bucket: Bucket,
  since: number,
  upTo: number,
): Promise<readonly Mutation[]> {
  const stop = new AbortController();
  const all: Mutation[] = [];
  for await (const page of bucket.mutations(seq(since), stop.signal)) {
    assert.ok(page.mutations.length <= BATCH_MAX);
    all.push(...page.mutations);
    if (page.upTo >= upTo) stop.abort();
  }
  return all;
}

const shape = (mutation: Mutation): string =>
  `${mutation.seq} ${mutation.kind === 'document' ? mutation.key : mutation.principal}`;

/** The contract of the mutation feed. */
export function historyContract(open: OpenBucket): void {
  test('the history tells documents and principals in the order of sequences', async () => {
    await using bucket = await open();
    const one = await bucket.openCollection('s.one');
    const two = await bucket.openCollection('s.two');
    const a = await apply(bucket, putDocument(one, 'a', { channels: move(['x', 'y']) }));
    await apply(bucket, putDocument(two, 'b'));
    await apply(bucket, putPrincipal('user:ann', { grants: [channelGrant('user:ann', one, 'x')] }));
    await apply(
      bucket,
      putDocument(one, 'c', {
        grants: { database: 'db', grants: [channelGrant('role:r', one, 'x')] },
      }),
    );
    await apply(
      bucket,
      putDocument(one, 'a', {
        ifCas: a.cas,
        rev: revId('2-b'),
        flags: FLAG.conflict,
        channels: move(['x'], ['y']),
      }),
    );
    const all = await historyTo(bucket, 0, 5);
    assert.deepEqual(all.map(shape), ['2 b', '3 user:ann', '4 c', '4 role:r', '5 a']);
    assert.deepEqual(all.at(-1), {
      kind: 'document',
      seq: 5,
      collection: one,
      key: 'a',
      rev: '2-b',
      flags: FLAG.conflict,
      channels: ['x'],
      removed: ['y'],
    });
    assert.deepEqual(all.at(1), {
      kind: 'access',
      seq: 3,
      database: 'db',
      principal: 'user:ann',
    });
    assert.deepEqual((await historyTo(bucket, 3, 5)).map(shape), ['4 c', '4 role:r', '5 a']);
  });

  test('what was told as left is not told again', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { channels: move(['x', 'y']) }));
    const leave = { ifCas: first.cas, channels: move(['x'], ['y']) };
    const second = await apply(bucket, putDocument(c, 'a', leave));
    await apply(bucket, putDocument(c, 'a', { ifCas: second.cas, channels: move(['x']) }));
    const [mutation] = await historyTo(bucket, 0, 3);
    assert.ok(mutation?.kind === 'document');
    assert.deepEqual([mutation.channels, mutation.removed], [['x'], []]);
  });

  test('a follower is told of each commit, and ends without an error', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const stop = new AbortController();
    const pages = bucket.mutations(seq(0), stop.signal)[Symbol.asyncIterator]();
    for (let n = 1; n <= 20; n += 1) {
      const next = pages.next();
      await apply(bucket, putDocument(c, `k${n}`));
      const { value } = (await next) as { value: MutationPage };
      assert.deepEqual(value.mutations.map(shape), [`${n} k${n}`]);
      assert.equal(value.upTo, n);
    }
    const end = pages.next();
    stop.abort();
    assert.deepEqual(await end, { done: true, value: undefined });
  });

  test('a history longer than a page is told in pages', async () => {
    await using bucket = await open();
    const collections = [await bucket.openCollection('s.a'), await bucket.openCollection('s.b')];
    const changes = Array.from({ length: 2500 }, (_, at) =>
      putDocument(must(collections[at % 2], 'there are two'), `k${at}`),
    );
    for (let at = 0; at < changes.length; at += BATCH_MAX) {
      await bucket.commit(changes.slice(at, at + BATCH_MAX));
    }
    const all = await historyTo(bucket, 0, 2500);
    assert.deepEqual(
      all.map((mutation) => mutation.seq),
      changes.map((_, at) => at + 1),
    );
  });

  test('one document may change more principals than a page holds', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const names = Array.from({ length: 2 * BATCH_MAX + 10 }, (_, at) => `user:u${at}` as const);
    const grants = names.map((name) => channelGrant(name, c, 'x'));
    await apply(bucket, putDocument(c, 'before'));
    await apply(bucket, putDocument(c, 'grants', { grants: { database: 'db', grants } }));
    await apply(bucket, putDocument(c, 'after'));
    const all = await historyTo(bucket, 0, 3);
    assert.equal(all.length, names.length + 3);
    assert.deepEqual(
      [all[0], all[1], all.at(-1)].map((m) => shape(must(m, 'told'))),
      ['1 before', '2 grants', '3 after'],
    );
    assert.deepEqual(new Set(all.slice(2, -1).map(shape)), new Set(names.map((n) => `2 ${n}`)));
  });

  test('the history goes on over what was purged', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([putDocument(c, 'a'), putDocument(c, 'b')]);
    await apply(bucket, { kind: 'purge', collection: c, key: docId('b') });
    assert.deepEqual((await historyTo(bucket, 0, 2)).map(shape), ['1 a']);
  });

  test('the end of the bucket is the end of its history', async () => {
    const bucket = await open();
    const pages = bucket.mutations(seq(0), new AbortController().signal)[Symbol.asyncIterator]();
    const next = pages.next();
    await bucket[Symbol.asyncDispose]();
    assert.deepEqual(await next, { done: true, value: undefined });
  });
}
