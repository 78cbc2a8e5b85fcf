import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { revisionsOf } from './revisions.ts';
import { RevisionTree } from './revision-tree.ts';
import { revsDiff } from './revs-diff.ts';
import type { RevId } from './types.ts';

const rev = (id: string): RevId => id as RevId;
const revs = (...ids: readonly string[]): RevId[] => ids.map(rev);

/** Each line is a history, newest first; `!` in front: its newest is deleted. */
function tree(...histories: readonly string[]): RevisionTree {
  let built = RevisionTree.empty;
  for (const line of histories) {
    const deleted = line.startsWith('!');
    const [newest, ...ancestors] = revs(...line.replace('!', '').split(' '));
    built = built.insert({ rev: newest!, deleted, channels: [] }, ancestors);
  }
  return built;
}

const leaves = (of: RevisionTree): string[] => of.leaves().map((leaf) => leaf.rev);

test('the winner is living, then of the longest branch, then of the highest digest', () => {
  assert.equal(tree('2-a 1-x', '2-b 1-x').winner().rev, '2-b');
  assert.equal(tree('3-a 2-a 1-x', '2-b 1-x').winner().rev, '3-a');
  assert.equal(tree('!3-a 2-a 1-x', '2-b 1-x').winner().rev, '2-b');
  assert.equal(tree('!3-a 2-a 1-x', '!2-b 1-x').winner().rev, '3-a');
  assert.equal(tree('10-a', '9-b').winner().rev, '10-a');
});

test('leaves stand in the order in which they would win', () => {
  assert.deepEqual(leaves(tree('!4-a 3-a', '2-b', '3-c', '!1-z')), ['3-c', '2-b', '4-a', '1-z']);
});

test('branched is more than one leaf, conflicted more than one living leaf', () => {
  const linear = tree('2-a 1-x');
  assert.deepEqual([linear.hasBranches, linear.isConflicted], [false, false]);
  const closed = tree('2-a 1-x', '!2-b 1-x');
  assert.deepEqual([closed.hasBranches, closed.isConflicted], [true, false]);
  const open = tree('2-a 1-x', '2-b 1-x');
  assert.deepEqual([open.hasBranches, open.isConflicted], [true, true]);
});

test('inserting changes a new tree, never the old one', () => {
  const before = tree('1-a');
  const after = before.insert({ rev: rev('2-b'), deleted: false }, revs('1-a'));
  assert.deepEqual(leaves(before), ['1-a']);
  assert.deepEqual(leaves(after), ['2-b']);
  assert.equal(before.size, 1);
});

test('a longer history joins what came in without its parent', () => {
  const joined = tree('3-c', '2-b', '4-d 3-c 2-b 1-a');
  assert.deepEqual(leaves(joined), ['4-d']);
  assert.deepEqual(joined.history(rev('4-d')), ['4-d', '3-c', '2-b', '1-a']);
});

test('a history that contradicts the tree does not change it', () => {
  const contradicted = tree('2-b 1-a', '3-c 2-b 1-z');
  assert.deepEqual(contradicted.history(rev('3-c')), ['3-c', '2-b', '1-a']);
  assert.equal(contradicted.has(rev('1-z')), false);
});

test('a history whose generations do not descend is refused', () => {
  for (const history of ['2-b 2-a', '2-b 3-a', '3-c 2-b 2-a']) {
    assert.throws(
      () => tree(history),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  }
});

test('what an ancestor is known by stays when a history names it again', () => {
  const base = tree('1-a').withChannels(rev('1-a'), ['x']);
  const after = base.insert({ rev: rev('2-b'), deleted: false }, revs('1-a'));
  assert.deepEqual(after.get(rev('1-a'))?.channels, ['x']);
  assert.equal(tree('2-b 1-a').get(rev('1-a'))?.channels, undefined);
});

test('a kept body is noted and forgotten, also of a leaf', () => {
  const kept = tree('1-a').withKeptBody(rev('1-a'), { expiry: 7, digests: [] });
  assert.equal(kept.get(rev('1-a'))?.keptBody?.expiry, 7);
  assert.equal(kept.winner().keptBody?.expiry, 7);
  assert.equal(kept.withKeptBody(rev('1-a'), undefined).winner().keptBody, undefined);
});

test('pruning keeps the newest of a line, and its end forgets its parent', () => {
  const { tree: pruned, dropped } = tree('4-d 3-c 2-b 1-a').prune(2);
  assert.deepEqual(pruned.history(rev('4-d')), ['4-d', '3-c']);
  assert.equal(pruned.get(rev('3-c'))?.parent, undefined);
  assert.deepEqual(dropped.map((revision) => revision.rev).toSorted(), ['1-a', '2-b']);
  assert.deepEqual(leaves(tree('2-b 1-a').prune(1).tree), ['2-b']);
});

test('pruning counts from each leaf, so that branches keep theirs', () => {
  const branched = tree('5-e 4-d 3-c 2-b 1-a', '3-x 2-b 1-a');
  const { tree: pruned } = branched.prune(2);
  assert.deepEqual(leaves(pruned), ['5-e', '3-x']);
  assert.deepEqual(pruned.history(rev('5-e')), ['5-e', '4-d']);
  assert.deepEqual(pruned.history(rev('3-x')), ['3-x', '2-b']);
});

test('pruning drops deleted branches that are far behind, but never the winner', () => {
  const behind = tree('6-f 5-e 4-d 3-c 2-b 1-a', '!2-x 1-a', '!5-y 4-d');
  const { tree: pruned } = behind.prune(3);
  assert.deepEqual(leaves(pruned), ['6-f', '5-y']);
  assert.deepEqual(leaves(tree('!9-a', '!1-b', '2-c').prune(1).tree), ['2-c', '9-a', '1-b']);
});

test('a tree within the limit is given back as it is', () => {
  const small = tree('2-b 1-a');
  assert.equal(small.prune(2).tree, small);
});

test('history is limited, and empty for an unknown revision', () => {
  assert.deepEqual(tree('3-c 2-b 1-a').history(rev('3-c'), 2), ['3-c', '2-b']);
  assert.deepEqual(tree('1-a').history(rev('9-z')), []);
});

test('_revisions is limited by number and by a known ancestor', () => {
  const line = tree('3-c 2-b 1-a');
  assert.deepEqual(revisionsOf(line, rev('3-c')), { start: 3, ids: ['c', 'b', 'a'] });
  assert.deepEqual(revisionsOf(line, rev('3-c'), { limit: 2 }), { start: 3, ids: ['c', 'b'] });
  assert.deepEqual(revisionsOf(line, rev('3-c'), { limit: 0 }), { start: 3, ids: ['c'] });
  const from = { from: ['1-a', '2-b', 'junk'] };
  assert.deepEqual(revisionsOf(line, rev('3-c'), from), { start: 3, ids: ['c', 'b'] });
  assert.deepEqual(revisionsOf(line, rev('3-c'), { from: ['9-z'] }).ids.length, 3);
});

test('_revisions ends where generations are skipped', () => {
  assert.deepEqual(revisionsOf(tree('5-e 4-d 2-b'), rev('5-e')), { start: 5, ids: ['e', 'd'] });
});

test('the newest ancestor among candidates is found', () => {
  const line = tree('3-c 2-b 1-a', '3-x 2-b');
  assert.equal(line.findAncestor(rev('3-c'), new Set(['1-a', '2-b', '3-x'])), '2-b');
  assert.equal(line.findAncestor(rev('3-c'), new Set(['3-c'])), '3-c');
  assert.equal(line.findAncestor(rev('3-c'), new Set(['3-x'])), undefined);
  assert.equal(line.findAncestorKnown(revs('4-z', '2-b', '1-a')), '2-b');
});

test('missing revisions are told with possible ancestors that were not asked for', () => {
  const h1 = tree('3-c 2-b 1-a');
  const none = { missing: [], possibleAncestors: [] };
  assert.deepEqual(revsDiff(h1, revs('3-c')), none);
  assert.deepEqual(revsDiff(h1, revs('4-d', '3-c', '2-b')), {
    missing: ['4-d'],
    possibleAncestors: [],
  });
  assert.deepEqual(revsDiff(h1, revs('3-f')), { missing: ['3-f'], possibleAncestors: ['2-b'] });
  assert.deepEqual(revsDiff(h1, revs('5-e', '6-f')), {
    missing: ['5-e', '6-f'],
    possibleAncestors: ['3-c'],
  });
  assert.deepEqual(revsDiff(h1, revs('104-x')).possibleAncestors, []);
  assert.deepEqual(revsDiff(h1, revs('103-x')).possibleAncestors, ['3-c']);
  assert.deepEqual(revsDiff(h1, revs('1-x')).possibleAncestors, []);
  assert.deepEqual(revsDiff(undefined, revs('1-a', '2-b')), {
    missing: ['1-a', '2-b'],
    possibleAncestors: [],
  });
});
