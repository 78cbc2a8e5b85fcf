import { importEdges } from './imports.ts';
import type { Rule } from './source-file.ts';

/** Files that import each other in a ring when the program runs; each ring is told once. */
export const cycles: Rule = (files) => {
  const targets = new Map(
    files.map((file) => [
      file.path,
      importEdges(file)
        .filter((edge) => edge.isRuntime && !edge.isByUrl)
        .map((edge) => edge.to),
    ]),
  );
  return rings(targets).map((ring) => ({
    path: ring[0] ?? '',
    line: 1,
    rule: 'import-cycle',
    message: [...ring, ring[0]].join(' → '),
  }));
};

/** Rings of a graph, each from its first name in alphabetical order. */
function rings(targets: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const found = new Map<string, readonly string[]>();
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): void => {
    const at = path.indexOf(name);
    if (at >= 0) {
      const ring = fromFirst(path.slice(at));
      found.set(ring.join(), ring);
      return;
    }
    if (done.has(name)) return;
    path.push(name);
    for (const next of targets.get(name) ?? []) visit(next);
    path.pop();
    done.add(name);
  };
  for (const name of targets.keys()) visit(name);
  return [...found.values()];
}

function fromFirst(ring: readonly string[]): readonly string[] {
  const first = ring.indexOf(ring.toSorted()[0] ?? '');
  return [...ring.slice(first), ...ring.slice(0, first)];
}
