import type { Node } from 'oxc-parser';
import { findingAt, isString, walk } from './source-file.ts';
import type { Finding, Rule, SourceFile } from './source-file.ts';

/** A thing of the language that has its place: where it may stand, how it is recognised. */
interface Place {
  readonly rule: string;
  readonly message: string;
  /** Whether it may stand in this file of `src/`. */
  readonly mayStandIn: (path: string) => boolean;
  /** Whether tests may do it. */
  readonly inTests: boolean;
  readonly matches: (node: Node, above: readonly Node[]) => boolean;
}

const within =
  (...starts: readonly string[]) =>
  (path: string): boolean =>
    starts.some((start) => path.startsWith(`src/${start}`));
const nowhere = (): boolean => false;

const SQL =
  /^\s*(SELECT\s[\s\S]+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|(CREATE|DROP)\s+(TEMP\s+)?(TABLE|INDEX|TRIGGER|VIEW)\s|PRAGMA\s|BEGIN\s+IMMEDIATE)/;
const STATUS_NAME = /status(code)?$/i;
const TIMERS = new Set(['setTimeout', 'setInterval']);
const TIMER_MODULES = new Set(['node:timers', 'node:timers/promises']);
const ERROR_CLASSES = new Set(['Error', 'TypeError', 'RangeError', 'SyntaxError']);

const PLACES: readonly Place[] = [
  {
    rule: 'any',
    message: 'no `any`: unknown, and a check',
    mayStandIn: nowhere,
    inTests: false,
    matches: (node) => node.type === 'TSAnyKeyword',
  },
  {
    rule: 'non-null',
    message: 'no `!` outside tests: must(), or a branch',
    mayStandIn: nowhere,
    inTests: true,
    matches: (node) => node.type === 'TSNonNullExpression',
  },
  {
    rule: 'private',
    message: 'use #private members',
    mayStandIn: nowhere,
    inTests: false,
    matches: isPrivate,
  },
  {
    rule: 'barrel',
    message: 'no `export *`, no barrels',
    mayStandIn: nowhere,
    inTests: false,
    matches: (node) => node.type === 'ExportAllDeclaration',
  },
  {
    rule: 'console',
    message: 'console only in cli/: elsewhere the log',
    mayStandIn: within('cli/'),
    inTests: false,
    matches: (node) => node.type === 'MemberExpression' && isNamed(node.object, 'console'),
  },
  {
    rule: 'process-env',
    message: 'process.env only in config/',
    mayStandIn: within('config/'),
    inTests: true,
    matches: (node) => isMember(node, 'process', 'env'),
  },
  {
    rule: 'bare-error',
    message: "a bare Error is for bugs: its message starts with 'bug:'; for input, a GatewayError",
    mayStandIn: nowhere,
    inTests: true,
    matches: (node) => node.type === 'ThrowStatement' && isBareError(node.argument),
  },
  {
    rule: 'http-status',
    message: 'HTTP statuses only in rest/: below it, error tags',
    mayStandIn: within('rest/', 'cli/'),
    inTests: true,
    matches: isStatus,
  },
  {
    rule: 'sql',
    message: 'SQL only in bucket/',
    mayStandIn: within('bucket/'),
    inTests: true,
    matches: (node) =>
      SQL.test(stringStart(node)) ||
      (node.type === 'ImportDeclaration' && node.source.value === 'node:sqlite'),
  },
  {
    rule: 'clock',
    message: 'time and chance are parameters: the Clock, or an option',
    mayStandIn: within('util/clock.ts', 'gateway.ts', 'cli/'),
    inTests: true,
    matches: isTimeOrChance,
  },
];

/** Things that stand where they have no place. */
export const places: Rule = (files) =>
  files.filter((file) => file.path.startsWith('src/')).flatMap((file) => [...misplaced(file)]);

function misplaced(file: SourceFile): readonly Finding[] {
  const findings: Finding[] = [];
  const concerned = PLACES.filter(
    (place) => !place.mayStandIn(file.path) && !(file.isTest && place.inTests),
  );
  walk(file.program, (node, above) => {
    for (const { rule, message, matches } of concerned) {
      if (matches(node, above)) findings.push(findingAt(file, node, { rule, message }));
    }
  });
  return findings;
}

/** A constructor has no other way to be private. */
function isPrivate(node: Node): boolean {
  if (node.type === 'MethodDefinition' && node.kind === 'constructor') return false;
  return 'accessibility' in node && node.accessibility === 'private';
}

function isBareError(thrown: Node): boolean {
  if (thrown.type !== 'NewExpression' && thrown.type !== 'CallExpression') return false;
  if (thrown.callee.type !== 'Identifier' || !ERROR_CLASSES.has(thrown.callee.name)) return false;
  return !stringStart(thrown.arguments[0]).startsWith('bug:');
}

function isStatus(node: Node): boolean {
  if (node.type === 'Property') {
    return node.key.type === 'Identifier' && isStatusOf(node.key.name, node.value);
  }
  if (node.type === 'BinaryExpression') {
    return (
      isStatusOf(lastName(node.left), node.right) || isStatusOf(lastName(node.right), node.left)
    );
  }
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
    const [first] = node.arguments;
    const name = lastName(node.callee);
    return first !== undefined && isStatusOf(name === 'code' ? 'status' : name, first);
  }
  return false;
}

function isStatusOf(name: string, value: Node): boolean {
  if (!STATUS_NAME.test(name)) return false;
  if (value.type !== 'Literal' || typeof value.value !== 'number') return false;
  return value.value >= 100 && value.value < 600;
}

function isTimeOrChance(node: Node): boolean {
  if (isMember(node, 'Date', 'now') || isMember(node, 'Math', 'random')) return true;
  if (node.type === 'NewExpression') {
    return isNamed(node.callee, 'Date') && node.arguments.length === 0;
  }
  if (node.type === 'ImportDeclaration') return TIMER_MODULES.has(node.source.value);
  return (
    node.type === 'CallExpression' &&
    node.callee.type === 'Identifier' &&
    TIMERS.has(node.callee.name)
  );
}

function isNamed(node: Node, name: string): boolean {
  return node.type === 'Identifier' && node.name === name;
}

function isMember(node: Node, object: string, property: string): boolean {
  return (
    node.type === 'MemberExpression' &&
    isNamed(node.object, object) &&
    (node.computed
      ? isString(node.property) && node.property.value === property
      : isNamed(node.property, property))
  );
}

/** The last name of `a`, `a.b` or `a.#b`; else nothing. */
function lastName(node: Node): string {
  if (node.type === 'Identifier') return node.name;
  if (node.type !== 'MemberExpression' || node.computed) return '';
  return 'name' in node.property ? node.property.name : '';
}

/** The text of a string, or of a template up to its first substitution. */
function stringStart(node: Node | undefined): string {
  if (isString(node)) return node.value;
  if (node?.type !== 'TemplateLiteral') return '';
  return node.quasis.map((part) => part.value.raw).join(' ? ');
}
