import type { Node } from 'oxc-parser';
import { findingAt, walk } from './source-file.ts';
import type { Finding, Rule, SourceFile } from './source-file.ts';

const FUNCTION_LINES_MAX = 70;
const SOURCE_LINES_MAX = 500;
const TEST_LINES_MAX = 1000;
const LINE_COLUMNS_MAX = 100;
const PARAMETERS_MAX = 3;
/** A literal this long may push its line past the limit: the formatter cannot break it. */
const UNBREAKABLE_MIN = 50;

export type FunctionNode = Extract<
  Node,
  { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' }
>;

/** Files, functions, parameter lists and lines that have outgrown the budget. */
export const sizes: Rule = (files) => files.flatMap((file) => [...fileFindings(file)]);

/** The lines that a function takes, from its first to its last. */
export function functionLines(file: SourceFile, node: FunctionNode): number {
  return file.lineAt(node.end) - file.lineAt(node.start) + 1;
}

export function isFunction(node: Node): node is FunctionNode {
  return (
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression'
  );
}

function* fileFindings(file: SourceFile): Generator<Finding> {
  const most = file.isTest ? TEST_LINES_MAX : SOURCE_LINES_MAX;
  const lines = file.lines.length - 1;
  if (lines > most) {
    const message = `${lines} lines; at most ${most}`;
    yield { path: file.path, line: 1, rule: 'file-lines', message };
  }
  yield* functionFindings(file);
  yield* lineFindings(file);
}

function functionFindings(file: SourceFile): readonly Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node) => {
    if (!isFunction(node)) return;
    const lines = functionLines(file, node);
    if (lines > FUNCTION_LINES_MAX && !(file.isTest && holdsTests(node))) {
      const message = `a function of ${lines} lines; at most ${FUNCTION_LINES_MAX}`;
      findings.push(findingAt(file, node, { rule: 'function-lines', message }));
    }
    if (hasTooManyParameters(node)) {
      const message = `${node.params.length} parameters; at most ${PARAMETERS_MAX} and an options object`;
      findings.push(findingAt(file, node, { rule: 'parameters', message }));
    }
  });
  return findings;
}

/** A function around tests is a list of them, not a function to read at once. */
function holdsTests(node: FunctionNode): boolean {
  let found = false;
  walk(node, (inner) => {
    if (inner.type !== 'CallExpression' || inner.callee.type !== 'Identifier') return;
    found ||= ['test', 'it', 'describe'].includes(inner.callee.name);
  });
  return found;
}

function hasTooManyParameters(node: FunctionNode): boolean {
  const params = node.params.filter((p) => !(p.type === 'Identifier' && p.name === 'this'));
  if (params.length <= PARAMETERS_MAX) return false;
  const last = params[PARAMETERS_MAX];
  if (params.length > PARAMETERS_MAX + 1 || last === undefined) return true;
  const pattern = last.type === 'AssignmentPattern' ? last.left : last;
  if (pattern.type === 'ObjectPattern') return false;
  return !(pattern.type === 'Identifier' && /options$/i.test(pattern.name));
}

function lineFindings(file: SourceFile): readonly Finding[] {
  const long = file.lines
    .map((text, index) => ({ line: index + 1, columns: text.length, text }))
    .filter(({ columns }) => columns > LINE_COLUMNS_MAX);
  if (long.length === 0) return [];
  const excused = linesOfLongLiterals(file);
  return long
    .filter(({ line, text }) => !excused.has(line) && !/https?:\/\//.test(text))
    .map(({ line, columns }) => {
      const message = `${columns} columns; at most ${LINE_COLUMNS_MAX}`;
      return { path: file.path, line, rule: 'line-columns', message };
    });
}

/** Lines that a long string or regular expression stands on, and those inside a template. */
function linesOfLongLiterals(file: SourceFile): ReadonlySet<number> {
  const lines = new Set<number>();
  walk(file.program, (node) => {
    if (node.type !== 'Literal' && node.type !== 'TemplateLiteral') return;
    if (node.end - node.start < UNBREAKABLE_MIN) return;
    const last = file.lineAt(node.end);
    for (let line = file.lineAt(node.start); line <= last; line += 1) lines.add(line);
  });
  return lines;
}
