import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { moveChannels, noChannels } from './channel-state.ts';
import type { Edit } from './edit.ts';
import { applyEdit, planEdit } from './edit.ts';
import { generationOf } from './rev-id.ts';
import type { NewRevision, Revision } from './revision-tree.ts';
import { RevisionTree } from './revision-tree.ts';
import { formatMetadata, parseMetadata } from './sync-metadata.ts';
import type { Digest, RevId } from './types.ts';
import { sequence, ZERO } from './types.ts';
import { compareLeaves } from './winner.ts';

interface Grown {
  readonly revision: NewRevision;
  readonly ancestors: readonly RevId[];
}

const CHANNELS = ['a', 'b', 'c'];
const digests = ['sha1-vnYzG5Xfw5nNd20vxoAh4NsDzE8='] as readonly string[] as Digest[];
const keptBody = fc.record(
  {
    expiry: fc.constantFrom(0, 35, 1_764_000_300),
    digests: fc.constantFrom([], digests),
    seq: fc.constantFrom(sequence(1), sequence(36 ** 4)),
  },
  { noNullPrototype: true, requiredKeys: ['expiry', 'digests'] },
);

/** Random forests: each revision hangs on an earlier one, or on none; with its whole history. */
const forest: fc.Arbitrary<readonly Grown[]> = fc
  .array(
    fc.record({
      on: fc.nat(),
      isRoot: fc.nat(9).map((of10) => of10 === 0),
      skips: fc.nat(9).map((of10) => (of10 === 0 ? 2 : 0)),
      deleted: fc.boolean(),
      channels: fc.option(fc.subarray(CHANNELS), { nil: undefined }),
      keptBody: fc.option(keptBody, { nil: undefined }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((nodes) => {
    const grown: Grown[] = [];
    for (const [index, node] of nodes.entries()) {
      const on = node.isRoot ? undefined : grown[node.on % Math.max(grown.length, 1)];
      const parent = on === undefined ? [] : [on.revision.rev, ...on.ancestors];
      const generation = (on === undefined ? 1 : generationOf(on.revision.rev) + 1) + node.skips;
      const digest = ((index * 2_654_435_761) % 4_294_967_296).toString(16);
      const revision: NewRevision = {
        rev: `${generation}-${digest}` as RevId,
        deleted: node.deleted,
        ...(node.channels === undefined ? {} : { channels: node.channels }),
        ...(node.keptBody === undefined ? {} : { keptBody: node.keptBody }),
      };
      grown.push({ revision, ancestors: parent });
    }
    return grown;
  });

const build = (grown: readonly Grown[]): RevisionTree =>
  grown.reduce(
    (tree, { revision, ancestors }) => tree.insert(revision, ancestors),
    RevisionTree.empty,
  );

const content = (tree: RevisionTree): Revision[] =>
  [...tree.revisions()].toSorted((a, b) => (a.rev < b.rev ? -1 : 1));

const shuffled = forest.chain((grown) =>
  fc.tuple(fc.constant(grown), fc.shuffledSubarray([...grown], { minLength: grown.length })),
);

test('the order of arrival makes no difference to tree, leaves and winner (invariant 5)', () => {
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      const [a, b] = [build(one), build(other)];
      assert.deepEqual(content(a), content(b));
      assert.deepEqual(a.leaves(), b.leaves());
      assert.equal(a.winner().rev, b.winner().rev);
    }),
  );
});

test('the order of pushes makes no difference to the leaves where conflicts are allowed', () => {
  const push = (grown: readonly Grown[]): RevisionTree => {
    let tree: RevisionTree | undefined;
    for (const { revision, ancestors } of grown) {
      const edit: Edit = {
        kind: 'pushed',
        history: [revision.rev, ...ancestors],
        deleted: revision.deleted,
      };
      const planned = planEdit(tree, edit, { allowConflicts: true });
      if (planned.kind === 'insert') tree = applyEdit(tree, planned, {});
    }
    return tree!;
  };
  const leaves = (tree: RevisionTree) => tree.leaves().map(({ rev, deleted }) => [rev, deleted]);
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      assert.deepEqual(leaves(push(one)), leaves(push(other)));
    }),
  );
});

test('the winner beats every other leaf', () => {
  fc.assert(
    fc.property(forest, (grown) => {
      const tree = build(grown);
      const winner = tree.winner();
      for (const leaf of tree.leaves()) assert.ok(compareLeaves(winner, leaf) <= 0);
      assert.equal(
        winner.deleted,
        tree.leaves().every((leaf) => leaf.deleted),
      );
    }),
  );
});

test('a written tree is read as it was', () => {
  fc.assert(
    fc.property(forest, fc.subarray(CHANNELS), (grown, present) => {
      const tree = build(grown);
      const move = { into: present, rev: tree.winner().rev, deleted: false, rowSeq: ZERO };
      const states = moveChannels(noChannels, move);
      const meta = { ...states, tree, attachments: {}, grantsPresent: false, savedAt: 1 };
      const read = parseMetadata(formatMetadata(meta), sequence(5));
      const sets = (revision: Revision): Revision => ({
        ...revision,
        channels: revision.channels?.toSorted(),
      });
      assert.deepEqual(content(read.tree).map(sets), content(tree).map(sets));
      assert.deepEqual(read.tree.leaves().map(sets), tree.leaves().map(sets));
      assert.equal(formatMetadata({ ...read, channels: states.channels }), formatMetadata(meta));
    }),
  );
});

test('pruning keeps winner, living leaves and the newest of each line, and is done at once', () => {
  fc.assert(
    fc.property(forest, fc.integer({ min: 1, max: 6 }), (grown, limit) => {
      const tree = build(grown);
      const { tree: pruned, dropped } = tree.prune(limit);
      assert.equal(pruned.size + dropped.length, tree.size);
      assert.equal(pruned.winner().rev, tree.winner().rev);
      const living = (of: RevisionTree): RevId[] =>
        of.leaves().flatMap((leaf) => (leaf.deleted ? [] : [leaf.rev]));
      assert.deepEqual(living(pruned), living(tree));
      for (const leaf of pruned.leaves()) {
        const kept = pruned.history(leaf.rev);
        assert.deepEqual(kept.slice(0, limit), tree.history(leaf.rev, limit));
      }
      assert.equal(pruned.prune(limit).tree, pruned);
    }),
  );
});
