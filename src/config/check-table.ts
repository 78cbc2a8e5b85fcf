import { isDeepStrictEqual } from 'node:util';
import type { Option, OptionEntry, OptionList, OptionMap, OptionTable, Values } from './option.ts';
import { suggest } from './suggest.ts';

export type JsonObject = { readonly [name: string]: unknown };

/** What a check found: all mistakes, not the first. */
export interface Findings {
  /** Sentences that begin with the property's path; no secret is in them. */
  readonly problems: string[];
  /** Paths of properties that are accepted and have no effect. */
  readonly couchbaseOnly: string[];
  readonly unneeded: string[];
  /** Paths of values that come from environment variables: what they are is told to nobody. */
  readonly expanded: Set<string>;
}

export interface Checked<T extends OptionTable> {
  /** Complete: what is absent or wrong has its default. */
  readonly values: Values<T>;
  /** The properties that were given, as they were given, without nulls. */
  readonly given: JsonObject;
}

export interface CheckOptions {
  readonly findings: Findings;
  /** Path of the table, `` for the outermost. */
  readonly path: string;
  /** By path: what to say of a property that is not in the table but could be expected there. */
  readonly hints: Readonly<Record<string, string>>;
}

const PROBLEMS_MAX = 100;

export function noFindings(): Findings {
  return { problems: [], couchbaseOnly: [], unneeded: [], expanded: new Set() };
}

/** Checks an object against a table. `null` means that a property is absent. */
export function checkTable<T extends OptionTable>(
  table: T,
  json: unknown,
  options: CheckOptions,
): Checked<T> {
  const { findings, path } = options;
  if (!isJsonObject(json)) {
    if (json !== undefined) tell(findings, `${path || 'it'}: must be an object, is ${shown(json)}`);
    return { values: defaultsOf(table), given: {} };
  }
  const values: Record<string, unknown> = {};
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(json)) {
    if (!Object.hasOwn(table, name)) tell(findings, unknownProperty(table, name, options));
  }
  for (const [name, entry] of Object.entries(table)) {
    const value = Object.hasOwn(json, name) ? (json[name] ?? undefined) : undefined;
    const checked = checkEntry(entry, value, { ...options, path: join(path, name) });
    values[name] = checked.values;
    if (value !== undefined) given[name] = checked.given;
  }
  // NOTE: every key of the table was visited above, each with the type that its entry gives.
  return { values: values as Values<T>, given };
}

interface CheckedEntry {
  readonly values: unknown;
  readonly given: unknown;
}

function checkEntry(entry: OptionEntry, value: unknown, at: CheckOptions): CheckedEntry {
  switch (entry.kind) {
    case 'group':
      return checkTable(entry.options, value, at);
    case 'map':
      return checkMap(entry, value, at);
    case 'list':
      return checkList(entry, value, at);
    case 'option':
      return { values: checkOption(entry, value, at), given: value };
  }
}

function checkMap(map: OptionMap<OptionEntry>, json: unknown, at: CheckOptions): CheckedEntry {
  const { findings, path } = at;
  const values: Record<string, unknown> = {};
  const given: Record<string, unknown> = {};
  if (json === undefined) return { values, given };
  if (!isJsonObject(json)) {
    tell(findings, `${path}: must be an object, is ${shown(json)}`);
    return { values, given };
  }
  const entries = Object.entries(json).filter(([, value]) => value !== null);
  if (entries.length > map.countMax) {
    tell(findings, `${path}: must have at most ${map.countMax} properties, has ${entries.length}`);
    return { values, given };
  }
  for (const [name, value] of entries) {
    // NOTE: whatever the names may be, this one would not become a property.
    if (name === '__proto__' || !map.name.schema.safeParse(name).success) {
      tell(findings, `${path}: the name ${shown(name)} must be ${map.name.says}`);
      continue;
    }
    const checked = checkEntry(map.each, value, { ...at, path: join(path, name) });
    values[name] = checked.values;
    given[name] = checked.given;
  }
  return { values, given };
}

function checkList(list: OptionList<OptionTable>, json: unknown, at: CheckOptions): CheckedEntry {
  const { findings, path } = at;
  if (json === undefined) return { values: [], given: [] };
  if (!Array.isArray(json)) {
    tell(findings, `${path}: must be a list, is ${shown(json)}`);
    return { values: [], given: [] };
  }
  if (json.length > list.countMax) {
    tell(findings, `${path}: must have at most ${list.countMax} elements, has ${json.length}`);
    return { values: [], given: [] };
  }
  const checked = json.map((item: unknown, index): CheckedEntry =>
    checkTable(list.each.options, item, { ...at, path: `${path}[${index}]` }),
  );
  return { values: checked.map((each) => each.values), given: checked.map((each) => each.given) };
}

/** The configuration of someone who configured nothing. */
function defaultsOf<T extends OptionTable>(table: T): Values<T> {
  return checkTable(table, {}, { findings: noFindings(), path: '', hints: {} }).values;
}

export function isJsonObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** The object at a path of names, empty where there is none. */
export function objectAt(json: JsonObject, ...path: readonly string[]): JsonObject {
  let at = json;
  for (const name of path) {
    const inner = Object.hasOwn(at, name) ? at[name] : undefined;
    at = isJsonObject(inner) ? inner : {};
  }
  return at;
}

function checkOption(entry: Option<unknown>, value: unknown, at: CheckOptions): unknown {
  const { findings, path } = at;
  if (value === undefined) return defaultOf(entry);
  const parsed = entry.parse(value);
  if (!parsed.ok) {
    const isShown = entry.secret === 'no' && !findings.expanded.has(path);
    const is = isShown ? `, is ${shown(value)}` : '';
    tell(findings, `${path}: must be ${entry.type.says}${is}`);
    return defaultOf(entry);
  }
  const isDefault = isDeepStrictEqual(value, entry.default);
  if (entry.status === 'later' && !isDefault && !entry.isHarmless(value)) {
    const instead = isScalar(entry.default) ? `, or set it to ${shown(entry.default)}` : '';
    tell(findings, `${path}: is not supported by this version yet; leave it out${instead}`);
  }
  if (entry.status === 'couchbase') findings.couchbaseOnly.push(path);
  if (entry.status === 'unneeded' && !isDefault) findings.unneeded.push(path);
  return parsed.value;
}

function defaultOf(entry: Option<unknown>): unknown {
  if (entry.default === undefined) return undefined;
  const parsed = entry.parse(entry.default);
  if (!parsed.ok) throw new Error(`bug: a default is not ${entry.type.says}`);
  return parsed.value;
}

function unknownProperty(table: OptionTable, name: string, options: CheckOptions): string {
  const path = join(options.path, name);
  const hint = Object.hasOwn(options.hints, path) ? options.hints[path] : undefined;
  if (hint !== undefined) return `${path}: ${hint}`;
  const meant = suggest(name, Object.keys(table));
  const ask = meant === undefined ? '' : `; did you mean ${join(options.path, meant)}?`;
  return `${clipped(path)}: is no known property${ask}`;
}

function tell(findings: Findings, problem: string): void {
  if (findings.problems.length < PROBLEMS_MAX) findings.problems.push(problem);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** A value for a message: scalars as they are, of others the kind alone (for secrets in them). */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'object') return 'an object';
  return clipped(JSON.stringify(value));
}

function clipped(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
