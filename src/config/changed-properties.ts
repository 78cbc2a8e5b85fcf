import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from './check-table.ts';
import { isJsonObject } from './check-table.ts';

/** The most paths that are told of one change. */
const PATHS_MAX = 100;

/** Paths of the properties in which two configurations differ (`cache.rev_cache.size`), sorted. */
export function changedProperties(before: JsonObject, after: JsonObject): readonly string[] {
  return [...differing(before, after, '')].toSorted().slice(0, PATHS_MAX);
}

function* differing(before: JsonObject, after: JsonObject, path: string): Generator<string> {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [before[name], after[name]];
    if (isDeepStrictEqual(old, now)) continue;
    const at = path === '' ? name : `${path}.${name}`;
    if (isJsonObject(old) && isJsonObject(now)) yield* differing(old, now, at);
    else yield at;
  }
}
