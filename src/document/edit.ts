import { GatewayError } from '../util/errors.ts';
import { createRevId } from './rev-id.ts';
import type { NewRevision, Revision } from './revision-tree.ts';
import { RevisionTree } from './revision-tree.ts';
import type { RevId } from './types.ts';

/** A change of a document, before it is judged. */
export type Edit = NewEdit | PushedEdit;

/** A new revision that gets its id here. */
export interface NewEdit {
  readonly kind: 'new';
  /** The revision that the client edited; undefined where it named none. */
  readonly parent: RevId | undefined;
  readonly deleted: boolean;
  /** What the id is the digest of. */
  readonly canonical: string;
}

/** A revision that was made elsewhere (`new_edits=false`, replication). */
export interface PushedEdit {
  readonly kind: 'pushed';
  /** The revision and its ancestors as far as they are known, newest first; see `historyOf`. */
  readonly history: readonly RevId[];
  readonly deleted: boolean;
}

export type PlannedEdit =
  /** The revision is there already: a success that changes nothing. */
  { readonly kind: 'known'; readonly rev: RevId } | InsertedEdit;

export interface InsertedEdit {
  readonly kind: 'insert';
  readonly rev: RevId;
  readonly deleted: boolean;
  /** The nearest ancestor that the tree has: what the sync function sees as the old document. */
  readonly parent: RevId | undefined;
  /** Nearest first, known ones among them. */
  readonly ancestors: readonly RevId[];
}

export interface EditRules {
  /** Whether branches are accepted (`allow_conflicts`). */
  readonly allowConflicts: boolean;
  /**
   * Clients do not see the document, so whoever names no revision makes it anew: the edit goes on
   * from the winner, as over a tombstone.
   */
  readonly isHidden?: boolean;
}

/**
 * Whether a change may be made to the document with this tree (undefined: there is none), and as
 * which revision. protocol.md §6.4 for a database without conflicts; with them, as in CouchDB, any
 * history may be pushed, and any leaf be edited. Throws `conflict`.
 */
export function planEdit(
  tree: RevisionTree | undefined,
  edit: Edit,
  rules: EditRules,
): PlannedEdit {
  return edit.kind === 'new' ? planNew(tree, edit, rules) : planPushed(tree, edit, rules);
}

/** The tree with the planned revision, told what the sync function said of it. */
export function applyEdit(
  tree: RevisionTree | undefined,
  planned: InsertedEdit,
  known: Omit<NewRevision, 'rev' | 'deleted'>,
): RevisionTree {
  const { rev, deleted, ancestors } = planned;
  return (tree ?? RevisionTree.empty).insert({ rev, deleted, ...known }, ancestors);
}

function planNew(tree: RevisionTree | undefined, edit: NewEdit, rules: EditRules): PlannedEdit {
  const parent = parentOfNew(tree, edit, rules);
  const rev = createRevId(parent, edit.canonical);
  const ancestors = parent === undefined ? [] : [parent];
  return { kind: 'insert', rev, deleted: edit.deleted, parent, ancestors };
}

function parentOfNew(
  tree: RevisionTree | undefined,
  edit: NewEdit,
  rules: EditRules,
): RevId | undefined {
  if (tree === undefined) {
    if (edit.parent === undefined) return undefined;
    throw new GatewayError('conflict', 'The document does not exist, but a revision was named');
  }
  const winner = tree.winner();
  if (edit.parent === undefined) {
    // Whoever names no revision makes a document: over a tombstone it goes on from there.
    if (winner.deleted || rules.isHidden === true) return winner.rev;
    throw new GatewayError('conflict', 'The document exists');
  }
  const parent = tree.get(edit.parent);
  const isLeaf = parent !== undefined && tree.isLeaf(parent.rev);
  if (isLeaf && (rules.allowConflicts || extendsCurrent(winner, parent, edit.deleted))) {
    return parent.rev;
  }
  throw revisionConflict();
}

function planPushed(
  tree: RevisionTree | undefined,
  edit: PushedEdit,
  rules: EditRules,
): PlannedEdit {
  const [rev, ...ancestors] = edit.history;
  if (rev === undefined) throw new GatewayError('badRequest', 'The revision history is empty');
  const { deleted } = edit;
  if (tree === undefined) return { kind: 'insert', rev, deleted, parent: undefined, ancestors };
  if (tree.has(rev)) return { kind: 'known', rev };
  const known = tree.findAncestorKnown(ancestors);
  const parent = known === undefined ? undefined : tree.get(known);
  if (!rules.allowConflicts && !mayPush(tree, parent, deleted)) throw revisionConflict();
  return { kind: 'insert', rev, deleted, parent: parent?.rev, ancestors };
}

function mayPush(tree: RevisionTree, parent: Revision | undefined, deleted: boolean): boolean {
  const winner = tree.winner();
  // A document that was made anew elsewhere, where here there is only a tombstone.
  if (parent === undefined) return winner.deleted && !deleted;
  return extendsCurrent(winner, parent, deleted && tree.isLeaf(parent.rev));
}

/** On the winner; or a tombstone that ends a losing branch. */
function extendsCurrent(winner: Revision, parent: Revision, endsBranch: boolean): boolean {
  return parent.rev === winner.rev || (endsBranch && !parent.deleted);
}

function revisionConflict(): GatewayError {
  return new GatewayError('conflict', 'Document revision conflict');
}
