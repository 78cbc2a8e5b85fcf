import path from 'node:path';
import type { ImportDeclaration, Node } from 'oxc-parser';
import { isString, walk } from './source-file.ts';
import type { SourceFile } from './source-file.ts';

/** One file's import of (or other reference to) another file of the project. */
export interface ImportEdge {
  readonly from: SourceFile;
  /** From the project's root. */
  readonly to: string;
  readonly line: number;
  /** Whether it is there when the program runs; `import type` is not. */
  readonly isRuntime: boolean;
  /** The names taken; `all` for a namespace, a dynamic import, or a file that is run. */
  readonly names: readonly string[] | 'all';
  /** A module that is loaded by a worker or child process, by its URL. */
  readonly isByUrl: boolean;
}

/** Every reference from a file to a file, in the order of the text. */
export function importEdges(file: SourceFile): readonly ImportEdge[] {
  const edges: ImportEdge[] = [];
  walk(file.program, (node) => {
    const found = reference(node);
    if (found === undefined || !found.specifier.startsWith('.')) return;
    const to = path.posix.join(path.posix.dirname(file.path), found.specifier);
    edges.push({
      from: file,
      to,
      line: file.lineAt(node.start),
      isRuntime: found.isRuntime,
      names: found.names,
      isByUrl: node.type === 'NewExpression',
    });
  });
  return edges;
}

interface Reference {
  readonly specifier: string;
  readonly isRuntime: boolean;
  readonly names: readonly string[] | 'all';
}

function reference(node: Node): Reference | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return {
        specifier: node.source.value,
        isRuntime: node.importKind !== 'type',
        names: importedNames(node),
      };
    case 'ExportNamedDeclaration':
      if (node.source === null) return undefined;
      return {
        specifier: node.source.value,
        isRuntime: node.exportKind !== 'type',
        names: node.specifiers.map((each) => nameOf(each.local)),
      };
    case 'ExportAllDeclaration':
      return { specifier: node.source.value, isRuntime: true, names: 'all' };
    case 'ImportExpression':
      if (!isString(node.source)) return undefined;
      return { specifier: node.source.value, isRuntime: true, names: 'all' };
    case 'TSImportType':
      return { specifier: node.source.value, isRuntime: false, names: 'all' };
    case 'NewExpression': {
      // NOTE: `new URL('./writer.ts', import.meta.url)`: how a worker or a child process is named.
      const [first] = node.arguments;
      const isUrl = node.callee.type === 'Identifier' && node.callee.name === 'URL';
      if (!isUrl || !isString(first) || !/\.(ts|js|mjs)$/.test(first.value)) return undefined;
      return { specifier: first.value, isRuntime: true, names: 'all' };
    }
    default:
      return undefined;
  }
}

function importedNames(node: ImportDeclaration): readonly string[] | 'all' {
  const names: string[] = [];
  for (const each of node.specifiers) {
    if (each.type === 'ImportNamespaceSpecifier') return 'all';
    names.push(each.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(each.imported));
  }
  return names;
}

/** The name in an import or export specifier, which may be an identifier or a string. */
export function nameOf(
  node: { type: 'Identifier'; name: string } | { type: 'Literal'; value: string },
): string {
  return node.type === 'Identifier' ? node.name : node.value;
}
