import { importEdges } from './imports.ts';
import type { ImportEdge } from './imports.ts';
import type { Finding, Rule, SourceFile } from './source-file.ts';

/**
 * Who may import whom: a folder of `src/` imports from rows above its own, and from itself. A new
 * edge is a decision, seen in review. Types count: a folder that knows another's types knows it.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['util'],
  ['observability'],
  ['document', 'blip'],
  ['channels'],
  ['config', 'sandbox'],
  ['bucket'],
  ['cluster', 'principals'],
  ['changes', 'auth'],
  ['database'],
  ['import', 'tasks', 'events', 'blip-sync'],
  ['replication'],
  ['rest'],
  ['gateway.ts'],
  ['cli'],
];

/** Upward and sideways imports, and files in no layer. Tests may look anywhere in `src/`. */
export const layers: Rule = (files) =>
  files.filter((file) => file.path.startsWith('src/')).flatMap((file) => [...layerFindings(file)]);

function* layerFindings(file: SourceFile): Generator<Finding> {
  const own = folderOf(file.path);
  const level = levelOf(own);
  if (level < 0) {
    const message = `src/${own} stands in no layer of tools/tidy/layers.ts`;
    yield { path: file.path, line: 1, rule: 'layers', message };
    return;
  }
  for (const edge of importEdges(file)) {
    const message = complaint(own, edge, file.isTest);
    if (message !== undefined) yield { path: file.path, line: edge.line, rule: 'layers', message };
  }
}

function complaint(own: string, edge: ImportEdge, isTest: boolean): string | undefined {
  if (!edge.to.startsWith('src/')) {
    const isAllowed = isTest || edge.to === 'package.json';
    return isAllowed ? undefined : `src/ must not import ${edge.to}`;
  }
  const other = folderOf(edge.to);
  if (other === own || isTest) return undefined;
  if (levelOf(other) < levelOf(own)) return undefined;
  return `${own} must not import ${other}: not a lower layer`;
}

/** The folder below `src/`, or the file that stands there itself. */
function folderOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function levelOf(folder: string): number {
  return LAYERS.findIndex((row) => row.includes(folder));
}
