import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import type { Edit, InsertedEdit } from './edit.ts';
import { applyEdit, planEdit } from './edit.ts';
import type { RevisionTree } from './revision-tree.ts';
import type { RevId } from './types.ts';

const strict = { allowConflicts: false };
const loose = { allowConflicts: true };

const pushed = (history: string, deleted = false): Edit => ({
  kind: 'pushed',
  history: history.split(' ') as readonly string[] as RevId[],
  deleted,
});
const fresh = (parent?: string, deleted = false): Edit => ({
  kind: 'new',
  parent: parent as RevId | undefined,
  deleted,
  canonical: '{}',
});

function insert(tree: RevisionTree | undefined, edit: Edit, rules = strict): InsertedEdit {
  const planned = planEdit(tree, edit, rules);
  assert.ok(planned.kind === 'insert');
  return planned;
}

function grown(...edits: readonly Edit[]): RevisionTree {
  let tree: RevisionTree | undefined;
  for (const edit of edits) tree = applyEdit(tree, insert(tree, edit, loose), { channels: [] });
  return tree!;
}

function conflicts(tree: RevisionTree | undefined, edit: Edit, rules = strict): void {
  assert.throws(
    () => planEdit(tree, edit, rules),
    (cause) => isGatewayError(cause, 'conflict'),
  );
}

test('a new document needs no revision, and must name none', () => {
  const planned = insert(undefined, fresh());
  assert.equal(planned.rev, '1-ca9ad22802b66f662ff171f226211d5c');
  assert.equal(planned.parent, undefined);
  conflicts(undefined, fresh('1-a'));
});

test('a document that does not exist may be deleted', () => {
  assert.equal(insert(undefined, fresh(undefined, true)).deleted, true);
});

test('an edit extends the current revision, and no other', () => {
  const tree = grown(pushed('2-b 1-a'));
  assert.equal(insert(tree, fresh('2-b')).parent, '2-b');
  assert.equal(insert(tree, fresh('2-b', true)).rev.startsWith('3-'), true);
  conflicts(tree, fresh());
  conflicts(tree, fresh('1-a'));
  conflicts(tree, fresh('2-z'));
  conflicts(tree, fresh('1-a'), loose);
  conflicts(tree, fresh('2-z'), loose);
  conflicts(tree, fresh(), loose);
});

test('a deleted document is written again from its tombstone, with or without naming it', () => {
  const tree = grown(pushed('1-a'), pushed('2-b 1-a', true));
  assert.equal(insert(tree, fresh()).parent, '2-b');
  assert.equal(insert(tree, fresh('2-b')).parent, '2-b');
  conflicts(tree, fresh('1-a'));
});

test('a losing branch may be ended, and not otherwise edited', () => {
  const tree = grown(pushed('3-c 2-b 1-a'), pushed('2-x 1-a'));
  assert.equal(insert(tree, fresh('2-x', true)).parent, '2-x');
  conflicts(tree, fresh('2-x'));
  assert.equal(insert(tree, fresh('2-x'), loose).parent, '2-x');
  assert.equal(insert(tree, pushed('3-y 2-x', true)).parent, '2-x');
  conflicts(tree, pushed('3-y 2-x'));
});

test('a tombstone does not end what is not a leaf, or is ended', () => {
  const tree = grown(pushed('3-c 2-b 1-a'), pushed('2-x 1-a', true));
  conflicts(tree, pushed('2-y 1-a', true));
  conflicts(tree, pushed('3-y 2-x', true));
  conflicts(tree, fresh('2-x', true));
});

test('a pushed revision must extend the current one', () => {
  const tree = grown(pushed('2-b 1-a'));
  conflicts(tree, pushed('2-c 1-a'));
  conflicts(tree, pushed('3-d 2-c 1-a'));
  conflicts(tree, pushed('1-f'));
  conflicts(tree, pushed('3-d 2-c 1-a', true));
  const next = insert(tree, pushed('5-e 4-d 3-c 2-b 1-a'));
  assert.equal(next.parent, '2-b');
  const after = applyEdit(tree, next, { channels: [] });
  assert.deepEqual(after.history('5-e' as RevId), ['5-e', '4-d', '3-c', '2-b', '1-a']);
});

test('over a tombstone a disjoint new document is accepted, and an old branch is not', () => {
  const tree = grown(pushed('3-c 2-b 1-a', true));
  assert.equal(insert(tree, pushed('1-z')).parent, undefined);
  conflicts(tree, pushed('1-z', true));
  conflicts(tree, pushed('3-y 2-b 1-a'));
  const winner = applyEdit(tree, insert(tree, pushed('1-z')), { channels: [] }).winner();
  assert.equal(winner.rev, '1-z');
});

test('a known revision is a success that changes nothing, whatever it says', () => {
  const tree = grown(pushed('2-b 1-a'));
  assert.deepEqual(planEdit(tree, pushed('2-b 1-z', true), strict), { kind: 'known', rev: '2-b' });
  assert.deepEqual(planEdit(tree, pushed('1-a'), strict), { kind: 'known', rev: '1-a' });
});

test('with conflicts allowed, every history may be pushed', () => {
  const tree = grown(pushed('2-b 1-a'));
  for (const history of ['2-c 1-a', '1-f', '5-e 4-d']) {
    assert.equal(insert(tree, pushed(history), loose).kind, 'insert');
  }
});

test('an empty history is refused', () => {
  assert.throws(
    () => planEdit(undefined, { kind: 'pushed', history: [], deleted: false }, strict),
    (cause) => isGatewayError(cause, 'badRequest'),
  );
});

test('of a document that clients do not see, one who names no revision goes on from the winner', () => {
  const hidden = { ...strict, isHidden: true };
  const tree = grown(fresh());
  conflicts(tree, fresh());
  assert.equal(insert(tree, fresh(), hidden).parent, tree.winner().rev);
  assert.equal(insert(tree, fresh(tree.winner().rev), hidden).parent, tree.winner().rev);
  conflicts(tree, fresh('1-x'), hidden);
});
