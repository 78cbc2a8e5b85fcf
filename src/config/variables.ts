import type { Findings } from './check-table.ts';
import { isJsonObject } from './check-table.ts';
import type { Environment } from './environment.ts';
import type { OptionEntry, OptionTable } from './option.ts';
import { javascript } from './value-type.ts';

/**
 * Environment variables in a configuration: `${NAME}`, and `${NAME:-default}` or `${NAME:default}`,
 * whose default stands where the variable is absent or empty; `$$` is one `$`. As the reference
 * documents it, except in two points: a bare `$NAME` is text, and so is everything in functions,
 * where `${}` is JavaScript's own.
 */
export interface ExpandOptions {
  readonly environment: Environment;
  readonly findings: Findings;
  /** Of the table, `` for the outermost. */
  readonly path: string;
}

const PATTERN = /\$\$|\$\{([^{}]*)\}|\$\{/gu;
const PLACEHOLDER = /^([A-Za-z_]\w*)(?::-?([\s\S]*))?$/u;
const ALONE = /^\$\{[^{}]*\}$/u;

/** Keys of values that no table describes further, whose text is a function. */
const FUNCTION_KEYS: ReadonlySet<string> = new Set([
  'sync',
  'import_filter',
  'filter',
  'custom_conflict_resolver',
]);

/** The same value, the same object even, where there is nothing to expand. */
export function expandTable(table: OptionTable, json: unknown, options: ExpandOptions): unknown {
  return mapObject(json, options, (name, value, at) =>
    Object.hasOwn(table, name) && table[name] !== undefined
      ? expandEntry(table[name], value, at)
      : value,
  );
}

function expandEntry(entry: OptionEntry, value: unknown, at: ExpandOptions): unknown {
  switch (entry.kind) {
    case 'group':
      return expandTable(entry.options, value, at);
    case 'map':
      return mapObject(value, at, (_, inner, innerAt) => expandEntry(entry.each, inner, innerAt));
    case 'list':
      return mapList(value, at, (inner, innerAt) => expandEntry(entry.each, inner, innerAt));
    case 'option':
      if (entry.type === javascript) return value;
      if (typeof value !== 'string') return expandAny(value, at);
      return expandScalar(value, at, (text) => entry.parse(text).ok);
  }
}

/** JSON that no table describes. */
export function expandAny(value: unknown, at: ExpandOptions): unknown {
  if (typeof value === 'string') return expandText(value, at);
  if (Array.isArray(value)) return mapList(value, at, expandAny);
  return mapObject(value, at, (name, inner, innerAt) =>
    FUNCTION_KEYS.has(name) ? inner : expandAny(inner, innerAt),
  );
}

/** A variable alone may stand for a number or for true and false, where a string would not do. */
function expandScalar(
  value: string,
  at: ExpandOptions,
  isRight: (text: string) => boolean,
): unknown {
  const text = expandText(value, at);
  if (text === undefined || text === value || !ALONE.test(value) || isRight(text)) return text;
  return /^(?:true|false|-?\d+(?:\.\d+)?)$/u.test(text) ? JSON.parse(text) : text;
}

/** Undefined where it cannot be: the mistake is told, and the property is as if it were absent. */
function expandText(
  text: string,
  { environment, findings, path }: ExpandOptions,
): string | undefined {
  if (!text.includes('$')) return text;
  let isWrong = false;
  const tell = (problem: string): string => {
    findings.problems.push(`${path}: ${problem}`);
    isWrong = true;
    return '';
  };
  const expanded = text.replaceAll(PATTERN, (match: string, inside: string | undefined) => {
    if (match === '$$') return '$';
    const [, name, preset] = PLACEHOLDER.exec(inside ?? '') ?? [];
    if (name === undefined)
      return tell('after `${` stands NAME} or NAME:-default}; write `$${` for the text itself');
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (preset !== undefined) return value === undefined || value === '' ? preset : value;
    return value ?? tell(`the environment variable ${name} is not set; or write \${${name}:-…}`);
  });
  // NOTE: what an environment holds is in no message.
  if (expanded !== text) findings.expanded.add(path);
  return isWrong ? undefined : expanded;
}

function mapObject(
  json: unknown,
  at: ExpandOptions,
  change: (name: string, value: unknown, at: ExpandOptions) => unknown,
): unknown {
  if (!isJsonObject(json)) return json;
  let isSame = true;
  const entries = Object.entries(json).map(([name, value]) => {
    const path = at.path === '' ? name : `${at.path}.${name}`;
    const changed = change(name, value, { ...at, path });
    if (changed !== value) isSame = false;
    return [name, changed];
  });
  return isSame ? json : Object.fromEntries(entries);
}

function mapList(
  json: unknown,
  at: ExpandOptions,
  change: (value: unknown, at: ExpandOptions) => unknown,
): unknown {
  if (!Array.isArray(json)) return json;
  const changed = json.map((value: unknown, index) =>
    change(value, { ...at, path: `${at.path}[${index}]` }),
  );
  return changed.every((value, index) => value === json[index]) ? json : changed;
}
