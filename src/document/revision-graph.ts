import { compareRevIds } from './rev-id.ts';
import type { Revision, RevisionTree } from './revision-tree.ts';

/**
 * A revision tree as text for Graphviz (`dot -Tsvg`): an arrow from each revision to what came from
 * it; the winner filled, other leaves bold, deletions dashed.
 */
export function revisionGraph(tree: RevisionTree): string {
  const revisions = [...tree.revisions()].toSorted((a, b) => compareRevIds(a.rev, b.rev));
  const leaves = new Set(tree.leaves().map(({ rev }) => rev));
  const winner = tree.winner().rev;
  const lines = revisions.map((revision) => {
    const styles = stylesOf(revision, { isLeaf: leaves.has(revision.rev), winner });
    return `  "${revision.rev}" [label="${labelOf(revision)}"${styles}];`;
  });
  for (const { rev, parent } of revisions)
    if (parent !== undefined) lines.push(`  "${parent}" -> "${rev}";`);
  return `digraph revisions {\n  node [shape=box];\n${lines.join('\n')}\n}\n`;
}

function labelOf({ rev, deleted }: Revision): string {
  return deleted ? `${rev}\\ndeleted` : rev;
}

function stylesOf(
  { rev, deleted }: Revision,
  { isLeaf, winner }: { readonly isLeaf: boolean; readonly winner: string },
): string {
  const styles = [
    ...(rev === winner ? ['filled'] : []),
    ...(isLeaf ? ['bold'] : []),
    ...(deleted ? ['dashed'] : []),
  ];
  return styles.length === 0 ? '' : `, style="${styles.join(',')}"`;
}
