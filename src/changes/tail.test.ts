import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FLAG, type ChannelPage, type CollectionId } from '../bucket/bucket.ts';
import { sequence, type DocId, type RevId } from '../document/types.ts';
import { Tail, type DocumentMutation } from './tail.ts';

const collection = 1 as CollectionId;

function mutation(
  seq: number,
  key: string,
  more: Partial<DocumentMutation> = {},
): DocumentMutation {
  return {
    seq: sequence(seq),
    collection,
    key: key as DocId,
    rev: `${seq}-a` as RevId,
    flags: 0,
    channels: [],
    removed: [],
    ...more,
  };
}

function tailOf(mutations: readonly DocumentMutation[], bytesMax = 100_000): Tail {
  const tail = new Tail({ bytesMax, from: sequence(0) });
  for (const one of mutations) tail.add(one);
  tail.reach(sequence(mutations.at(-1)?.seq ?? 0));
  return tail;
}

function read(
  tail: Tail,
  channels: readonly string[] | 'all',
  more: {
    after?: number;
    upTo?: number;
    limit?: number;
    bodies?: boolean;
    branches?: boolean;
  } = {},
): ChannelPage | undefined {
  const { after = 0, upTo, limit = 1000, bodies = false, branches = false } = more;
  return tail.read({
    collection,
    channels,
    after: sequence(after),
    limit,
    bodies,
    branches,
    ...(upTo !== undefined && { upTo: sequence(upTo) }),
  });
}

const shown = (page: ChannelPage | undefined): readonly string[] | undefined =>
  page?.rows.map(({ seq, key, channel = '', flags }) => `${seq} ${key} ${channel} ${flags}`);

test('rows of the channels asked for come in order, one for each channel', () => {
  const tail = tailOf([
    mutation(1, 'x', { channels: ['a', 'b'] }),
    mutation(2, 'y', { channels: ['c'] }),
    mutation(3, 'z', { channels: ['b'], removed: ['a'], flags: FLAG.deleted }),
  ]);
  assert.deepEqual(shown(read(tail, ['a', 'b'])), ['1 x a 0', '1 x b 0', '3 z b 1', '3 z a 3']);
  assert.deepEqual(shown(read(tail, 'all')), ['1 x  0', '2 y  0', '3 z  1']);
  assert.deepEqual(shown(read(tail, ['c'], { after: 2 })), []);
});

test('a document stands where it was changed last; what it left before stays told', () => {
  const tail = tailOf([
    mutation(1, 'x', { channels: ['a', 'b'] }),
    mutation(2, 'x', { channels: ['b'], removed: ['a'] }),
    mutation(3, 'x', { channels: ['b', 'c'] }),
    mutation(4, 'x', { channels: ['c'], removed: ['b'] }),
    mutation(5, 'x', { channels: ['c'] }),
  ]);
  const every = ['a', 'b', 'c'];
  assert.deepEqual(shown(read(tail, every)), ['2 x a 2', '4 x b 2', '5 x c 0']);
  assert.deepEqual(shown(read(tail, 'all')), ['5 x  0']);
  tail.add(mutation(6, 'x', { channels: ['a', 'b'], removed: ['c'] }));
  tail.reach(sequence(6));
  assert.deepEqual(shown(read(tail, every)), ['6 x a 0', '6 x b 0', '6 x c 2']);
});

test('a page ends at its limit of sequences, and at the sequence asked for', () => {
  const tail = tailOf(
    [1, 2, 3, 4].map((seq) => mutation(seq, `k${seq}`, { channels: ['a', 'b'] })),
  );
  const cut = read(tail, ['a', 'b'], { limit: 2 });
  assert.deepEqual([cut?.rows.length, cut?.scannedTo, cut?.lastSequence], [4, 2, 4]);
  const upTo = read(tail, 'all', { after: 1, upTo: 3 });
  assert.deepEqual([upTo?.rows.length, upTo?.scannedTo, upTo?.lastSequence], [2, 3, 4]);
});

test('the bucket is asked for what is too old, for bodies, and for branches', () => {
  const entries = [1, 2, 3, 4, 5].map((seq) => mutation(seq, `k${seq}`, { channels: ['a'] }));
  const small = tailOf(entries, 1500);
  assert.ok(small.bytes <= 1500);
  assert.equal(read(small, 'all', { after: 1 }), undefined);
  assert.deepEqual(shown(read(small, 'all', { after: 3 })), ['4 k4  0', '5 k5  0']);
  assert.equal(read(small, 'all', { after: 4, bodies: true }), undefined);
  const branched = tailOf([mutation(1, 'x', { channels: ['a'], flags: FLAG.branched })]);
  assert.equal(read(branched, 'all', { branches: true }), undefined);
  assert.deepEqual(shown(read(branched, ['b'], { branches: true })), []);
});

test('memory stays bounded however many changes come, and however often one document moves', () => {
  const tail = new Tail({ bytesMax: 20_000, from: sequence(0) });
  for (let seq = 1; seq <= 20_000; seq += 1) {
    const removed = [`c${seq - 1}`];
    tail.add(
      mutation(seq, seq % 2 === 0 ? 'flaps' : `k${seq}`, { channels: [`c${seq}`], removed }),
    );
    tail.reach(sequence(seq));
  }
  assert.ok(tail.bytes <= 20_000);
  assert.equal(read(tail, 'all', { after: 19_000 }), undefined);
  assert.deepEqual(shown(read(tail, 'all', { after: 19_998 })), [
    '19999 k19999  0',
    '20000 flaps  0',
  ]);
});

test('who skips what is not known serves from there on', () => {
  const tail = tailOf([mutation(1, 'x', { channels: ['a'] })]);
  tail.skipTo(sequence(7));
  assert.equal(read(tail, 'all', { after: 1 }), undefined);
  assert.deepEqual(shown(read(tail, 'all', { after: 7 })), []);
});

test('a row is one object for all who ask for it', () => {
  const tail = tailOf([mutation(1, 'x', { channels: ['a', 'b'] })]);
  assert.equal(read(tail, ['a'])?.rows[0], read(tail, ['a', 'c'])?.rows[0]);
  assert.equal(read(tail, 'all')?.rows[0], read(tail, 'all')?.rows[0]);
});

test('a document that was purged is told no more, wherever its entries stand', () => {
  const tail = tailOf([
    mutation(1, 'gone', { channels: ['a', 'b'] }),
    mutation(2, 'stays', { channels: ['a'] }),
    mutation(3, 'gone', { channels: ['b'], removed: ['a'] }),
  ]);
  assert.equal(read(tail, ['a'])?.rows.length, 2);
  tail.forget({ collection, key: 'gone' as DocId, seq: sequence(3) });
  assert.deepEqual(shown(read(tail, ['a', 'b'])), ['2 stays a 0']);
  assert.deepEqual(shown(read(tail, 'all')), ['2 stays  0']);
  tail.add(mutation(4, 'gone', { channels: ['a'] }));
  tail.reach(sequence(4));
  assert.deepEqual(shown(read(tail, 'all')), ['2 stays  0', '4 gone  0']);
});

test('an entry of a purged document that is on its way is not told when it comes', () => {
  const tail = tailOf([mutation(1, 'stays')]);
  const gone = { collection, key: 'gone' as DocId };
  tail.forget({ ...gone, seq: sequence(3) });
  tail.add(mutation(3, 'gone', { channels: ['a'] }));
  tail.add(mutation(4, 'gone', { channels: ['a'] }));
  tail.reach(sequence(4));
  assert.deepEqual(shown(read(tail, 'all')), ['1 stays  0', '4 gone  0']);
  tail.forget({ ...gone, seq: sequence(2) });
  assert.deepEqual(shown(read(tail, 'all')), ['1 stays  0', '4 gone  0']);
});
