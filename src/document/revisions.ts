import type { RevisionsInput } from './parsed-document.ts';
import { digestOf, generationOf } from './rev-id.ts';
import type { RevisionTree } from './revision-tree.ts';
import type { RevId } from './types.ts';

export interface RevisionsOptions {
  /** `revs_limit`: the most revisions. */
  readonly limit?: number;
  /** `revs_from`: it ends at the newest of these that is an ancestor. */
  readonly from?: readonly string[];
}

/**
 * `_revisions` of a known revision. It ends early where generations are skipped: the form cannot
 * say so.
 */
export function revisionsOf(
  tree: RevisionTree,
  rev: RevId,
  options: RevisionsOptions = {},
): RevisionsInput {
  const start = generationOf(rev);
  const oldest = tree.findAncestor(rev, new Set(options.from ?? []));
  const ids: string[] = [];
  for (const ancestor of tree.history(
    rev,
    Math.max(options.limit ?? Number.POSITIVE_INFINITY, 1),
  )) {
    if (generationOf(ancestor) !== start - ids.length) break;
    ids.push(digestOf(ancestor));
    if (ancestor === oldest) break;
  }
  return { start, ids };
}
