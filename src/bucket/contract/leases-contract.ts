import assert from 'node:assert/strict';
import { test } from 'node:test';

import { must } from '../../util/assert.ts';
import type { Bucket, DocumentChange } from '../bucket.ts';
import type { Lease } from '../leases.ts';
import {
  apply,
  applied,
  docId,
  move,
  putDocument,
  putRecord,
  recordKey,
  revId,
  seq,
  type OpenBucket,
} from './changes.ts';

const NAME = 'work/1';
/** Longer than any test, and as short as a test can wait for. */
const LONG_MS = 600_000;
const SHORT_MS = 20;

export function leasesContract(open: OpenBucket): void {
  takingContract(open);
  fencingContract(open);
  batchContract(open);
  countingContract(open);
}

function takingContract(open: OpenBucket): void {
  test('a lease is taken by one, until it is given back', async () => {
    await using bucket = await open();
    const { leases } = bucket;
    const first = await take(bucket, { holder: 'a' });
    assert.equal(await leases.take(request({ holder: 'b' })), undefined);
    assert.equal(await leases.take(request({ holder: 'a' })), undefined);
    await leases.end([first]);
    const second = await take(bucket, { holder: 'b' });
    assert.ok(second.fence > first.fence);
    await leases.end([first]);
    assert.equal((await leases.list(NAME))[0]?.holder, 'b');
  });

  test('a lease whose time is over is taken by the next, under a larger number', async () => {
    await using bucket = await open();
    const first = await take(bucket, { holder: 'a', forMs: SHORT_MS });
    const second = await takeover(bucket, 'b');
    assert.ok(second.fence > first.fence);
    assert.deepEqual(await bucket.leases.renew([first, second], LONG_MS), [false, true]);
  });

  test('a renewed lease holds on, an ended one is not renewed', async () => {
    await using bucket = await open();
    const lease = await take(bucket, { forMs: SHORT_MS * 10 });
    assert.deepEqual(await bucket.leases.renew([lease], LONG_MS), [true]);
    const [listed] = await bucket.leases.list('work/');
    assert.ok(must(listed, 'it holds').leftMs > LONG_MS / 2);
    await bucket.leases.end([lease]);
    assert.deepEqual(await bucket.leases.renew([lease], LONG_MS), [false]);
    assert.deepEqual(await bucket.leases.renew([], LONG_MS), []);
  });

  test('leases are listed by the beginning of their names, those that hold alone', async () => {
    await using bucket = await open();
    await take(bucket, { name: 'node/b', about: 'second' });
    await take(bucket, { name: 'node/a', about: 'first', holder: 'x' });
    await take(bucket, { name: 'nodes', about: 'other' });
    await take(bucket, { name: 'node/gone', forMs: 0 });
    const listed = await bucket.leases.list('node/');
    assert.deepEqual(
      listed.map(({ name, about }) => [name, about]),
      [
        ['node/a', 'first'],
        ['node/b', 'second'],
      ],
    );
    assert.equal(listed[0]?.holder, 'x');
  });
}

function fencingContract(open: OpenBucket): void {
  test('a change that states a lease is applied while that lease holds', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    const lease = await take(bucket);
    await apply(bucket, putDocument(collection, 'a', { lease }));
    await apply(bucket, putRecord(recordKey('r'), { lease }));
    await bucket.leases.end([lease]);
    const refused = { ok: false, failed: 'lease' };
    const late = putDocument(collection, 'b', { lease });
    const lateRecord = putRecord(recordKey('s'), { lease });
    assert.deepEqual(await bucket.commit([late, lateRecord]), [refused, refused]);
    assert.equal(await bucket.get(collection, docId('b')), undefined);
    assert.equal(await bucket.getRecord(recordKey('s')), undefined);
  });

  test('who lost its lease to another writes nothing, be it taken by the same name', async () => {
    await using bucket = await open();
    const stale = await take(bucket, { forMs: SHORT_MS });
    const current = await takeover(bucket, 'me');
    const results = await bucket.commit([
      putRecord(recordKey('r'), { lease: stale, value: '"stale"' }),
      putRecord(recordKey('r'), { lease: current, value: '"current"' }),
    ]);
    assert.deepEqual(results[0], { ok: false, failed: 'lease' });
    applied(results[1]);
    assert.equal((await bucket.getRecord(recordKey('r')))?.value, '"current"');
  });

  test('a lease whose time is over fences nobody in, even where nobody took it', async () => {
    await using bucket = await open();
    const lease = await take(bucket, { forMs: 0 });
    assert.deepEqual(await bucket.commit([putRecord(recordKey('r'), { lease })]), [
      { ok: false, failed: 'lease' },
    ]);
  });
}

function batchContract(open: OpenBucket): void {
  test('a batch is applied as a whole, and its result tells the last sequence', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    const changes = [
      putDocument(collection, 'a', { channels: move(['new']) }),
      putDocument(collection, 'b'),
      putRecord(recordKey('r')),
    ];
    const { seq: last, cas } = await apply(bucket, { kind: 'batch', changes });
    assert.equal(last, 2);
    assert.equal((await bucket.getRecord(recordKey('r')))?.cas, cas);
    assert.equal(await bucket.lastSequence(), 2);
  });

  test('a batch of which one change fails leaves nothing behind', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(collection, 'there'));
    const changes = [
      putRecord(recordKey('r')),
      putDocument(collection, 'a', { channels: move(['never seen']) }),
      putDocument(collection, 'there', { ifCas: 'absent' }),
    ];
    const after = putDocument(collection, 'after', { channels: move(['seen']) });
    const [batch, single] = await bucket.commit([{ kind: 'batch', changes }, after]);
    assert.equal(batch?.ok, false);
    assert.partialDeepStrictEqual(batch, { failed: 'cas', at: 2 });
    assert.equal(applied(single).seq, 2);
    assert.equal(await bucket.getRecord(recordKey('r')), undefined);
    assert.equal(await bucket.get(collection, docId('a')), undefined);
    const lease = { name: 'nobody has it', fence: 1 };
    const fenced = await bucket.commit([{ kind: 'batch', lease, changes: [after] }]);
    assert.deepEqual(fenced, [{ ok: false, failed: 'lease' }]);
  });

  test('batches among other writes of one moment fail and succeed by themselves, in order', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(collection, 'there'));
    const put = (key: string): DocumentChange =>
      putDocument(collection, key, { channels: move([key]) });
    const outcomes = await Promise.all([
      bucket.commit([put('a')]),
      bucket.commit([
        {
          kind: 'batch',
          changes: [put('never'), putDocument(collection, 'there', { ifCas: 'absent' })],
        },
      ]),
      bucket.commit([put('b')]),
      bucket.commit([{ kind: 'batch', changes: [put('c'), put('d')] }]),
      bucket.commit([put('e')]),
    ]);
    const results = outcomes.flat();
    assert.deepEqual(
      results.map((result) => (result.ok ? result.seq : result.at)),
      [2, 1, 3, 5, 6],
    );
    assert.equal(await bucket.get(collection, docId('never')), undefined);
    const stored = await bucket.scan(collection, { limit: 10, bodies: false });
    const keys = stored.map(({ key }) => key);
    assert.deepEqual(keys, ['a', 'b', 'c', 'd', 'e', 'there']);
  });
}

function countingContract(open: OpenBucket): void {
  test('keys are counted in their order, tombstones too, and so are old sequences', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    for (const key of ['a', 'b', 'ü', 'c'])
      await apply(
        bucket,
        putDocument(collection, key, key === 'b' ? { body: null, flags: 1 } : {}),
      );
    const counted = async (after: string, limit: number): Promise<unknown> =>
      await bucket.countKeys(collection, { after, limit });
    assert.deepEqual(await counted('', 3), { count: 3, last: 'c' });
    assert.deepEqual(await counted('c', 3), { count: 1, last: 'ü' });
    assert.deepEqual(await counted('ü', 3), { count: 0, last: undefined });
    assert.equal(await bucket.countUnchangedSince(collection, seq(3), 10), 3);
    assert.equal(await bucket.countUnchangedSince(collection, seq(3), 2), 2);
    assert.equal(await bucket.countUnchangedSince(collection, seq(0), 10), 0);
  });

  test('a change may leave the body as it is, with another expiry', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    const stays = { body: null, keepsBody: true, rev: revId('2-b') } as const;
    const first = await apply(bucket, putDocument(collection, 'a', { body: '{"a":1}' }));
    const change = putDocument(collection, 'a', { ...stays, ifCas: first.cas, expiry: 9_000_000 });
    const second = await apply(bucket, change);
    const stored = must(await bucket.get(collection, docId('a')), 'it is there');
    assert.partialDeepStrictEqual(stored, { body: '{"a":1}', cas: second.cas, expiry: 9_000_000 });
    const none = putDocument(collection, 'none', stays);
    await apply(bucket, none);
    assert.equal((await bucket.get(collection, docId('none')))?.body, null);
  });

  test('a page of a scan ends where its bodies have so many characters', async () => {
    await using bucket = await open();
    const collection = await bucket.openCollection('_default._default');
    for (const key of ['a', 'b', 'c'])
      await apply(bucket, putDocument(collection, key, { body: '{"ten":123}' }));
    const keys = async (charsMax: number): Promise<unknown> => {
      const page = await bucket.scan(collection, { limit: 10, bodies: true, charsMax });
      return page.map(({ key }) => key);
    };
    assert.deepEqual(await keys(1), ['a']);
    assert.deepEqual(await keys(12), ['a', 'b']);
    assert.deepEqual(await keys(1000), ['a', 'b', 'c']);
  });
}

interface Wanted {
  readonly name?: string;
  readonly holder?: string;
  readonly about?: string;
  readonly forMs?: number;
}

const request = (wanted: Wanted) => ({
  name: NAME,
  holder: 'me',
  about: '',
  forMs: LONG_MS,
  ...wanted,
});

async function take(bucket: Bucket, wanted: Wanted = {}): Promise<Lease> {
  const asked = request(wanted);
  const fence = must(await bucket.leases.take(asked), 'nobody has it');
  return { name: asked.name, fence };
}

/** Asks until the other's time is over. */
async function takeover(bucket: Bucket, holder: string): Promise<Lease> {
  for (;;) {
    const fence = await bucket.leases.take(request({ holder }));
    if (fence !== undefined) return { name: NAME, fence };
  }
}
