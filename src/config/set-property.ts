import type { JsonObject } from './check-table.ts';
import { isJsonObject } from './check-table.ts';

/**
 * A copy with the value at a path of names. What is no object on the way stays, and is refused
 * where it is checked.
 */
export function setProperty(
  json: JsonObject,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): JsonObject {
  if (rest.length === 0) return { ...json, [name]: value };
  const inner = json[name] ?? {};
  return isJsonObject(inner) ? { ...json, [name]: setProperty(inner, rest, value) } : json;
}

/** What stands at a path of names; undefined where nothing does. */
export function propertyAt(json: JsonObject, path: readonly string[]): unknown {
  let at: unknown = json;
  for (const name of path) at = isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at;
}
