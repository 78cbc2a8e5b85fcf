import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RevisionTree } from '../document/revision-tree.ts';
import type { RevId } from '../document/types.ts';
import { sequence } from '../document/types.ts';
import type { TellingRules } from './revisions-to-tell.ts';
import { revisionsToTell } from './revisions-to-tell.ts';

const KEPT_SECS = 300;
const NOW = 10_000;

interface Line {
  readonly revs: readonly string[];
  /** When each but the last was superseded; undefined: its body is not kept. */
  readonly superseded?: readonly (number | undefined)[];
  readonly deleted?: boolean;
}

/** A tree of lines, each from its first revision to its leaf. */
function treeOf(...lines: readonly Line[]): RevisionTree {
  let tree = RevisionTree.empty;
  for (const { revs, superseded = [], deleted = false } of lines) {
    const ids = revs as readonly RevId[];
    for (const [index, rev] of ids.entries()) {
      const at = superseded[index];
      const isLeaf = index === ids.length - 1;
      const keptBody = at === undefined ? undefined : { expiry: at + KEPT_SECS, digests: [] };
      const revision = { rev, deleted: isLeaf && deleted, ...(keptBody && { keptBody }) };
      if (!tree.has(rev)) tree = tree.insert(revision, ids.slice(0, index).toReversed());
    }
  }
  return tree;
}

const told = (winner: string, ...others: readonly string[]): TellingRules['told'] => ({
  winner: winner as RevId,
  leaves: [winner, ...others] as RevId[],
});

function due(tree: RevisionTree, rules: Partial<TellingRules> = {}): readonly string[] {
  return revisionsToTell(tree, {
    told: undefined,
    first: tree.winner().rev,
    sinceSecs: undefined,
    isTold: () => false,
    keptSecs: KEPT_SECS,
    winningRevOnly: false,
    ...rules,
  });
}

const three = treeOf({ revs: ['1-a', '2-a', '3-a'], superseded: [NOW - 2, NOW - 1] });

test('of a document of which nothing is known the winner is told', () => {
  assert.deepEqual(due(three), ['3-a']);
});

test('nothing is told twice of what was told last', () => {
  assert.deepEqual(due(three, { told: told('3-a') }), []);
});

test('what came since the last telling is told, the oldest first', () => {
  assert.deepEqual(due(three, { told: told('1-a') }), ['2-a', '3-a']);
});

test('a change that waited brings all that came after it', () => {
  assert.deepEqual(due(three, { first: '1-a' as RevId }), ['1-a', '2-a', '3-a']);
});

test('where changes may have been passed over, the time tells which', () => {
  const slow = treeOf({ revs: ['1-a', '2-a', '3-a'], superseded: [NOW - 100, NOW] });
  assert.deepEqual(due(slow, { sinceSecs: NOW - 50 }), ['2-a', '3-a']);
  assert.deepEqual(due(slow, { sinceSecs: NOW - 200 }), ['1-a', '2-a', '3-a']);
});

test('where a revision tells where it was written, what is known to be told ends the line', () => {
  let tree = three;
  for (const [rev, seq] of [
    ['1-a', 5],
    ['2-a', 7],
  ] as const)
    tree = tree.withKeptBody(rev as RevId, { expiry: NOW, digests: [], seq: sequence(seq) });
  // By their times all of them would be due.
  const rules = { sinceSecs: 0 };
  assert.deepEqual(due(tree, rules), ['1-a', '2-a', '3-a']);
  assert.deepEqual(due(tree, { ...rules, isTold: (seq) => seq === 5 }), ['2-a', '3-a']);
  assert.deepEqual(due(tree, { ...rules, isTold: (seq) => seq === 7 }), ['3-a']);
  assert.deepEqual(due(tree, { isTold: () => false }), ['3-a'], 'nothing was passed over');
});

test('a revision whose body is not kept cannot be told', () => {
  const bare = treeOf({ revs: ['1-a', '2-a', '3-a'], superseded: [NOW, undefined] });
  assert.deepEqual(due(bare, { told: told('1-a') }), ['3-a']);
});

const conflict = treeOf({ revs: ['1-a', '2-b'] }, { revs: ['1-a', '2-a'] });

test('a new losing branch is told without the winner, which was told', () => {
  assert.deepEqual(due(conflict, { told: told('2-b') }), ['2-a']);
  assert.deepEqual(due(conflict, { told: told('2-b'), winningRevOnly: true }), []);
});

test('where nothing is known of a conflict, its living branches are told, the winner last', () => {
  assert.deepEqual(due(conflict), ['2-a', '2-b']);
  assert.deepEqual(due(conflict, { winningRevOnly: true }), ['2-b']);
});

test('a deletion that makes another branch win is told, and then the winner', () => {
  const resolved = treeOf({ revs: ['1-a', '2-b', '3-b'], deleted: true }, { revs: ['1-a', '2-a'] });
  assert.deepEqual(due(resolved, { told: told('2-b', '2-a') }), ['3-b', '2-a']);
});
