import { generationOf } from './rev-id.ts';
import type { RevisionTree } from './revision-tree.ts';
import type { RevId } from './types.ts';

export interface RevsDiff {
  /** In the order asked for. */
  readonly missing: readonly RevId[];
  /**
   * Revisions here that a missing one may come from: the sender need not tell what is before them.
   */
  readonly possibleAncestors: readonly RevId[];
}

/** A leaf that is further behind a missing revision than this is no likely ancestor of it. */
const GENERATIONS_APART_MAX = 100;

/**
 * Which of these revisions the tree has not (undefined: no document). protocol.md §6.1. A revision
 * that was asked for and is here is no possible ancestor: the sender knows of it.
 */
export function revsDiff(tree: RevisionTree | undefined, revs: readonly RevId[]): RevsDiff {
  if (tree === undefined) return { missing: revs, possibleAncestors: [] };
  const missing = revs.filter((rev) => !tree.has(rev));
  if (missing.length === 0) return { missing, possibleAncestors: [] };
  const asked = new Set(revs);
  const ancestors = new Set<RevId>();
  for (const generation of new Set(missing.map(generationOf))) {
    for (const rev of likelyAncestors(tree, generation)) if (!asked.has(rev)) ancestors.add(rev);
  }
  return { missing, possibleAncestors: [...ancestors] };
}

function* likelyAncestors(tree: RevisionTree, generation: number): Generator<RevId> {
  if (generation < 2) return;
  for (const leaf of tree.leaves()) {
    const behind = generation - generationOf(leaf.rev);
    if (behind > 0 && behind <= GENERATIONS_APART_MAX) yield leaf.rev;
    if (behind === 0 && leaf.parent !== undefined) yield leaf.parent;
  }
}
