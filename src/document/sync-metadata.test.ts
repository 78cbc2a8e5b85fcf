import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { moveChannels, noChannels, PAST_CHANNELS_MAX, presentChannels } from './channel-state.ts';
import type { ChannelStates } from './channel-state.ts';
import { RevisionTree } from './revision-tree.ts';
import { allDigests, formatMetadata, parseMetadata } from './sync-metadata.ts';
import type { SyncMetadata } from './sync-metadata.ts';
import type { Digest, RevId } from './types.ts';
import { sequence, ZERO } from './types.ts';

const rev = (id: string): RevId => id as RevId;
const R1 = rev('1-ca9ad22802b66f662ff171f226211d5c');
const R2 = rev('2-7e80fde662c45d8a5a5e976c1d804d38');
const D1 = 'sha1-vnYzG5Xfw5nNd20vxoAh4NsDzE8=' as Digest;
const D2 = 'sha1-opXgvd4ZONH7/TQ+Wj5WnoaOFGU=' as Digest;

const written = (states: ChannelStates, tree: RevisionTree): SyncMetadata => ({
  ...states,
  tree,
  attachments: {},
  grantsPresent: false,
  savedAt: 1_764_000_000,
});

const into = (...channels: readonly string[]) => ({
  into: channels,
  rev: R1,
  deleted: false,
  rowSeq: ZERO,
});

test('metadata of a new document in two channels is short; 0 is the sequence of its row', () => {
  const states = moveChannels(noChannels, into('news', 'user-17'));
  const tree = RevisionTree.empty.insert({
    rev: R1,
    deleted: false,
    channels: ['user-17', 'news'],
  });
  const text = formatMetadata(written(states, tree));
  assert.ok(text.length <= 120, text);
  const read = parseMetadata(text, sequence(7));
  assert.deepEqual(
    [...read.channels],
    [
      ['news', { since: 7 }],
      ['user-17', { since: 7 }],
    ],
  );
  assert.deepEqual(read.tree.winner().channels, ['news', 'user-17']);
});

test('channels are entered, left and entered again with their sequences', () => {
  const first = moveChannels(noChannels, into('a', 'b'));
  assert.deepEqual(first.in, [
    { channel: 'a', replaces: 0 },
    { channel: 'b', replaces: 0 },
  ]);
  const tree = RevisionTree.empty.insert({ rev: R1, deleted: false });
  const at5 = parseMetadata(formatMetadata(written(first, tree)), sequence(5));

  const left = moveChannels(at5, { into: ['a'], rev: R2, deleted: true, rowSeq: sequence(5) });
  assert.deepEqual(left.in, [{ channel: 'a', replaces: 5 }]);
  assert.deepEqual(left.out, [{ channel: 'b', replaces: 5 }]);
  const at9 = parseMetadata(formatMetadata(written(left, tree)), sequence(9));
  assert.deepEqual(at9.channels.get('a'), { since: 5 });
  assert.deepEqual(at9.channels.get('b'), { since: 5, left: { seq: 9, rev: R2, deleted: true } });
  assert.deepEqual(presentChannels(at9), ['a']);

  const gone = moveChannels(at9, { into: ['a'], rev: R2, deleted: false, rowSeq: sequence(9) });
  assert.deepEqual(gone.out, []);
  assert.deepEqual(gone.channels.get('b'), at9.channels.get('b'));

  const back = moveChannels(at9, { into: ['b'], rev: R2, deleted: false, rowSeq: sequence(9) });
  assert.deepEqual(back.in, [{ channel: 'b', replaces: 9 }]);
  assert.deepEqual(back.out, [{ channel: 'a', replaces: 9 }]);
  assert.deepEqual(back.pastChannels, [{ channel: 'b', from: 5, until: 9 }]);
  const at12 = parseMetadata(formatMetadata(written(back, tree)), sequence(12));
  assert.deepEqual(at12.channels.get('b'), { since: 12 });
  assert.deepEqual(at12.pastChannels, back.pastChannels);
});

test('only the latest stays are remembered', () => {
  let states: ChannelStates = noChannels;
  for (let turn = 1; turn <= PAST_CHANNELS_MAX * 2 + 4; turn++) {
    const channels = turn % 2 === 1 ? ['a'] : [];
    states = moveChannels(states, { ...into(...channels), rowSeq: sequence(turn - 1) });
  }
  assert.equal(states.pastChannels.length, PAST_CHANNELS_MAX);
});

test('odd channel names, attachments and kept bodies come back as they were', () => {
  const names = ['__proto__', '1', 'a "b"', 'constructor', 'é😀'];
  const states = moveChannels(noChannels, into(...names));
  const tree = RevisionTree.empty
    .insert({ rev: R1, deleted: false, channels: ['old'] })
    .insert({ rev: R2, deleted: true, channels: names }, [R1])
    .withKeptBody(R1, { expiry: 1_764_000_300, digests: [D1] })
    .withKeptBody(R2, { expiry: 0, digests: [] });
  const attachments = JSON.parse(
    `{"__proto__":{"digest":"${D2}","length":1,"revpos":1,"content_type":"a \\"b\\""}}`,
  );
  const meta = { ...written(states, tree), attachments, grantsPresent: true };
  const read = parseMetadata(formatMetadata(meta), sequence(3));
  assert.deepEqual([...read.channels.keys()].toSorted(), names.toSorted());
  assert.deepEqual(read.attachments, attachments);
  assert.equal(read.grantsPresent, true);
  assert.equal(read.savedAt, meta.savedAt);
  assert.deepEqual(read.tree.get(R1), tree.get(R1));
  assert.deepEqual(read.tree.get(R2)?.keptBody, { expiry: 0, digests: [] });
  assert.equal(read.tree.winner().deleted, true);
  assert.deepEqual([...allDigests(read).keys()].toSorted(), [D1, D2].toSorted());
});

const corrupt = [
  '',
  '{',
  '[]',
  'null',
  '{}',
  '{"tree":"1 -a"}',
  '{"at":1,"tree":5}',
  '{"at":"1","tree":"1 -a"}',
  '{"at":1,"in":{"a":"1"},"tree":"1 -a"}',
  '{"at":1,"in":{"a":-1},"tree":"1 -a"}',
  '{"at":1,"out":{"a":{"b":[1,2,"2-b"]}},"tree":"1 -a"}',
  '{"at":1,"out":{"a":[1,2,3]},"tree":"1 -a"}',
  '{"at":1,"past":{"a":1},"tree":"1 -a"}',
  '{"at":1,"past":[5],"tree":"1 -a"}',
  '{"at":1,"att":{"f":null},"tree":"1 -a"}',
  '{"at":1,"att":{"f":{"digest":5,"length":1,"revpos":1}},"tree":"1 -a"}',
];
for (const text of corrupt) {
  test(`${JSON.stringify(text)} is corrupt metadata`, () => {
    assert.throws(
      () => parseMetadata(text, ZERO),
      (cause) => isGatewayError(cause, 'corrupt'),
    );
  });
}

for (const damaged of ['"sets":[5]', '"sets":5', '"files":null', '"files":{"1-a":[5]}']) {
  test(`${damaged} is a corrupt part of a tree`, () => {
    const read = parseMetadata(`{"at":1,${damaged},"tree":"1 0b-a"}`, ZERO);
    assert.throws(
      () => read.tree.winner(),
      (cause) => isGatewayError(cause, 'corrupt'),
    );
  });
}

for (const tree of [
  '',
  '1',
  'x -a',
  '1 a',
  '0 -a',
  '1 -a -b',
  '1 5-a',
  '1 q-a',
  '1 @1-a',
  '1 b?-a',
  '1 b3k9007199254740993-a',
]) {
  test(`${JSON.stringify(tree)} is a corrupt tree`, () => {
    const read = parseMetadata(JSON.stringify({ at: 1, tree }), ZERO);
    assert.throws(
      () => read.tree.winner(),
      (cause) => isGatewayError(cause, 'corrupt'),
    );
  });
}
