import { parseSync, visitorKeys } from 'oxc-parser';
import type { Comment, Node, Program, StringLiteral } from 'oxc-parser';

/** A file that was read and parsed once, for all rules. */
export interface SourceFile {
  /** From the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly program: Program;
  readonly comments: readonly Comment[];
  /** Tests, and contracts that tests call. */
  readonly isTest: boolean;
  /** The line of an offset, from 1. */
  lineAt(offset: number): number;
}

/** What a rule has to say about one place. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

/** A house rule; it sees all files at once. */
export type Rule = (files: readonly SourceFile[]) => readonly Finding[];

/** Parses; throws where the text is not TypeScript (or JavaScript, by its name). */
export function parseSource(path: string, text: string): SourceFile {
  const { program, comments, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return {
    path,
    text,
    lines: text.split('\n'),
    program,
    comments,
    isTest: /\.test\.ts$|-contract\.ts$/.test(path) || path.startsWith('test/'),
    lineAt: (offset) => lineOf(starts, offset),
  };
}

/** A finding at a node. */
export function findingAt(
  file: SourceFile,
  node: { readonly start: number },
  words: { rule: string; message: string },
): Finding {
  return { path: file.path, line: file.lineAt(node.start), ...words };
}

/** Calls `visit` for every node, parents first, with the nodes above it, the nearest last. */
export function walk(root: Node, visit: (node: Node, above: readonly Node[]) => void): void {
  const above: Node[] = [];
  const enter = (node: Node): void => {
    visit(node, above);
    above.push(node);
    for (const key of visitorKeys[node.type] ?? []) {
      const child = (node as unknown as Record<string, Node | readonly (Node | null)[] | null>)[
        key
      ];
      if (child === null || child === undefined) continue;
      if ('type' in child) enter(child);
      else for (const each of child) if (each !== null) enter(each);
    }
    above.pop();
  };
  enter(root);
}

export function isString(node: Node | null | undefined): node is StringLiteral {
  return node?.type === 'Literal' && typeof node.value === 'string';
}

function lineOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}
