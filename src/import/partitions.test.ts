import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocId } from '../document/doc-id.ts';
import { partitionOf, sharePartitions } from './partitions.ts';

const NODES = ['a', 'b', 'c', 'd', 'e'];

test('every partition is one node’s, and all have as many, or one more', () => {
  for (const count of [1, 2, 7, 16, 1024])
    for (let nodes = 1; nodes <= NODES.length; nodes++) {
      const shares = sharePartitions(count, NODES.slice(0, nodes));
      const all = [...shares.values()].flat().toSorted((a, b) => a - b);
      assert.deepEqual(
        all,
        Array.from({ length: count }, (_, number) => number),
      );
      const sizes = [...shares.values()].map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
    }
  assert.deepEqual([...sharePartitions(16, [])], []);
});

test('who is asked, and in which order nodes are told, does not matter', () => {
  const share = sharePartitions(16, NODES);
  for (const [node, partitions] of sharePartitions(16, NODES.toReversed()))
    assert.deepEqual(share.get(node), partitions);
});

test('where a node goes, most partitions of the others stay where they are', () => {
  const before = sharePartitions(64, NODES);
  const after = sharePartitions(64, NODES.slice(1));
  let moved = 0;
  for (const node of NODES.slice(1)) {
    const had = new Set(before.get(node));
    moved += [...(after.get(node) ?? [])].filter((each) => !had.has(each)).length;
  }
  // Those of the node that went, and few beside.
  assert.ok(moved < 32, `${moved} of 64`);
});

test('documents are spread over all partitions', () => {
  const counts = Array.from({ length: 16 }, () => 0);
  for (let n = 0; n < 16_000; n++) {
    const partition = partitionOf(parseDocId(`doc-${n}`), 16);
    counts[partition] = (counts[partition] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 700 && count < 1300, counts.join(' '));
});
