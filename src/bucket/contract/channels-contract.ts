import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Bucket, type ChannelPage, type ChannelRequest, FLAG } from '../bucket.ts';
import {
  apply,
  channelGrant,
  channelRequest,
  docId,
  move,
  type OpenBucket,
  putDocument,
  revId,
  seq,
} from './changes.ts';

/** `seq key channel` of each row: what most tests are about. */
function shape(page: ChannelPage): readonly string[] {
  return page.rows.map(({ seq: at, key, channel }) => `${at} ${key} ${channel ?? '-'}`);
}

async function readAll(bucket: Bucket, request: ChannelRequest): Promise<readonly string[]> {
  const rows: string[] = [];
  for (let after = request.after; ;) {
    const page = await bucket.readChannels({ ...request, after });
    rows.push(...shape(page));
    after = page.scannedTo;
    if (after >= page.lastSequence) return rows;
  }
}

/** The contract of the channel index. */
export function channelsContract(open: OpenBucket): void {
  test('a document is in its channels at its newest sequence', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const a = await apply(bucket, putDocument(c, 'a', { channels: move(['x', 'y']) }));
    await apply(bucket, putDocument(c, 'b', { channels: move(['x']) }));
    const read = async (channels: readonly string[]): Promise<readonly string[]> =>
      shape(await bucket.readChannels(channelRequest(c, channels)));
    assert.deepEqual(await read(['x']), ['1 a x', '2 b x']);
    assert.deepEqual(await read(['y']), ['1 a y']);
    assert.deepEqual(await read(['none']), []);
    assert.deepEqual(await read([]), []);
    assert.deepEqual((await read(['x', 'y', 'none'])).toSorted(), ['1 a x', '1 a y', '2 b x']);
    const again = { ifCas: a.cas, rev: revId('2-a'), channels: move(['x', 'y']) };
    await apply(bucket, putDocument(c, 'a', again));
    assert.deepEqual(await read(['x']), ['2 b x', '3 a x']);
  });

  test('channels of one name in two collections are two', async () => {
    await using bucket = await open();
    const [one, two] = [await bucket.openCollection('s.one'), await bucket.openCollection('s.two')];
    await apply(bucket, putDocument(one, 'a', { channels: move(['x']) }));
    await apply(bucket, putDocument(two, 'b', { channels: move(['x']) }));
    assert.deepEqual(await readAll(bucket, channelRequest(one, ['x'])), ['1 a x']);
    assert.deepEqual(await readAll(bucket, channelRequest(two, 'all')), ['2 b -']);
  });

  test('a removal is an entry at its sequence, which later changes leave alone', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(
      bucket,
      putDocument(c, 'a', { channels: move(['x', 'y']), body: '{"v":1}' }),
    );
    const leaves = { ifCas: first.cas, rev: revId('2-b'), channels: move(['y'], ['x']) };
    const second = await apply(bucket, putDocument(c, 'a', leaves));
    const third = await apply(
      bucket,
      putDocument(c, 'a', { ifCas: second.cas, rev: revId('3-c'), channels: move(['y']) }),
    );
    const page = await bucket.readChannels(channelRequest(c, ['x', 'y'], { bodies: true }));
    assert.deepEqual(page.rows, [
      { seq: 2, key: 'a', rev: '2-b', flags: FLAG.removed, body: null, channel: 'x' },
      {
        seq: 3,
        key: 'a',
        rev: '3-c',
        flags: 0,
        body: '{"plain":true}',
        channel: 'y',
        metadata: '{}',
      },
    ]);
    const back = { ifCas: third.cas, rev: revId('4-d'), channels: move(['x', 'y']) };
    await apply(bucket, putDocument(c, 'a', back));
    assert.deepEqual(await readAll(bucket, channelRequest(c, ['x'])), ['4 a x']);
  });

  test('a tombstone leaves its channels as removed and deleted', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { channels: move(['x']) }));
    const tombstone = {
      ifCas: first.cas,
      body: null,
      flags: FLAG.deleted,
      channels: move([], ['x']),
    };
    await apply(bucket, putDocument(c, 'a', tombstone));
    const request = channelRequest(c, ['x'], { bodies: true });
    const [row] = (await bucket.readChannels(request)).rows;
    assert.equal(row?.flags, FLAG.deleted | FLAG.removed);
    assert.equal(row?.body, null);
  });

  test('a page has at most its limit of sequences, and goes on where it ended', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit(
      Array.from({ length: 50 }, (_, at) =>
        putDocument(c, `k${at}`, { channels: move(at % 2 === 0 ? ['x', 'y'] : ['z']) }),
      ),
    );
    for (const channels of [['x'], ['x', 'y'], ['x', 'y', 'z'], 'all'] as const) {
      const whole = shape(await bucket.readChannels(channelRequest(c, channels)));
      for (const limit of [1, 7, 25, 50, 51]) {
        const rows = await readAll(bucket, channelRequest(c, channels, { limit }));
        assert.deepEqual(rows, whole, `${String(channels)} by ${limit}`);
      }
    }
    const page = await bucket.readChannels(channelRequest(c, ['x', 'y'], { limit: 3 }));
    assert.equal(page.scannedTo, 5);
    assert.equal(page.rows.length, 6);
    assert.equal(page.lastSequence, 50);
  });

  test('scannedTo is the end of the history, or of the range, where nothing is left', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await bucket.commit([1, 2, 3, 4].map((n) => putDocument(c, `${n}`, { channels: move(['x']) })));
    const read = async (options: Partial<ChannelRequest>): Promise<ChannelPage> =>
      await bucket.readChannels(channelRequest(c, ['x'], options));
    assert.equal((await read({ limit: 4 })).scannedTo, 4);
    assert.equal((await read({ upTo: seq(2) })).scannedTo, 2);
    assert.deepEqual(shape(await read({ upTo: seq(2) })), ['1 1 x', '2 2 x']);
    assert.deepEqual(shape(await read({ after: seq(3) })), ['4 4 x']);
    assert.equal((await read({ after: seq(9) })).scannedTo, 9);
  });

  test('many channels are merged in order', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const names = Array.from({ length: 60 }, (_, at) => `c${at}`);
    await bucket.commit(
      Array.from({ length: 500 }, (_, at) =>
        putDocument(c, `k${at}`, {
          channels: move([`c${(at * 7) % 60}`, ...(at % 9 === 0 ? ['c1', 'c2'] : [])]),
        }),
      ),
    );
    const rows = await readAll(bucket, channelRequest(c, names, { limit: 40 }));
    const seqs = rows.map((row) => Number.parseInt(row, 10));
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(seqs).size, 500);
  });

  test('channels of very different sizes are merged in order, whatever the limit', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const changes = Array.from({ length: 240 }, (_, i) => {
      const channels = ['all', ...(i % 20 === 0 ? ['some'] : []), ...(i > 230 ? ['late'] : [])];
      return putDocument(c, `d${i}`, { channels: move(channels) });
    });
    for (const result of await bucket.commit(changes)) assert.ok(result.ok);
    const expected = changes.flatMap((_, i) => [
      `${i + 1} d${i} all`,
      ...(i > 230 ? [`${i + 1} d${i} late`] : []),
      ...(i % 20 === 0 ? [`${i + 1} d${i} some`] : []),
    ]);
    for (const limit of [1, 2, 7, 39, 240, 1000]) {
      const request = channelRequest(c, ['all', 'late', 'some'], { limit });
      assert.deepEqual(await readAll(bucket, request), expected, `limit ${limit}`);
    }
  });

  test('bodies come for few documents among many, and for nearly all of them', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const channelsOf = (i: number): string[] => [
      ...(i % 9 === 0 ? ['few'] : []),
      ...(i % 9 === 0 ? [] : ['most']),
    ];
    const changes = Array.from({ length: 60 }, (_, i) =>
      putDocument(c, `d${i}`, { channels: move(channelsOf(i)), body: `{"n":${i}}` }),
    );
    for (const result of await bucket.commit(changes)) assert.ok(result.ok);
    for (const channel of ['few', 'most']) {
      const page = await bucket.readChannels(channelRequest(c, [channel], { bodies: true }));
      const numbers = changes.map((_, i) => i).filter((i) => channelsOf(i).includes(channel));
      assert.deepEqual(
        page.rows.map(({ key, body }) => `${key} ${body}`),
        numbers.map((i) => `d${i} {"n":${i}}`),
      );
    }
  });

  test('bodies and metadata come where they are wanted and the row is current', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await apply(bucket, putDocument(c, 'plain', { body: '{"p":1}', channels: move(['x']) }));
    await apply(
      bucket,
      putDocument(c, 'branched', {
        flags: FLAG.branched,
        metadata: '{"tree":1}',
        channels: move(['x']),
      }),
    );
    const read = async (options: Partial<ChannelRequest>): Promise<unknown> => {
      const { rows } = await bucket.readChannels(channelRequest(c, ['x'], options));
      return rows.map(({ body, metadata }) => [body, metadata]);
    };
    assert.deepEqual(await read({}), [
      [null, undefined],
      [null, undefined],
    ]);
    assert.deepEqual(await read({ branches: true }), [
      [null, undefined],
      [null, '{"tree":1}'],
    ]);
    assert.deepEqual(await read({ bodies: true }), [
      ['{"p":1}', '{}'],
      ['{"plain":true}', '{"tree":1}'],
    ]);
  });

  test('a channel that a change does not name keeps its entry', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    const first = await apply(bucket, putDocument(c, 'a', { channels: move(['x', 'y']) }));
    await apply(bucket, putDocument(c, 'a', { ifCas: first.cas, channels: move(['y']) }));
    const { rows } = await bucket.readChannels(channelRequest(c, ['x'], { bodies: true }));
    assert.deepEqual(
      rows.map(({ seq: at, body, metadata }) => [at, body, metadata]),
      [[1, null, undefined]],
    );
    await apply(bucket, { kind: 'purge', collection: c, key: docId('a') });
    assert.deepEqual(await readAll(bucket, channelRequest(c, ['x', 'y'])), []);
  });

  test('a page is stale and empty where rights changed after they were read', async () => {
    await using bucket = await open();
    const c = await bucket.openCollection('_default._default');
    await apply(
      bucket,
      putDocument(c, 'a', {
        channels: move(['x']),
        grants: { database: 'db', grants: [channelGrant('user:ann', c, 'x')] },
      }),
    );
    const read = async (asOf: number, principals: readonly `user:${string}`[]) =>
      await bucket.readChannels(
        channelRequest(c, ['x'], { access: { database: 'db', principals, asOf: seq(asOf) } }),
      );
    const stale = await read(0, ['user:bob', 'user:ann']);
    assert.deepEqual(stale, { stale: true, rows: [], scannedTo: 0, lastSequence: 1 });
    assert.equal((await read(1, ['user:ann'])).stale, false);
    assert.equal((await read(0, ['user:bob'])).rows.length, 1);
  });
}
