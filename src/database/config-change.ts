import type { JsonObject } from '../config/check-table.ts';
import { isJsonObject } from '../config/check-table.ts';
import { GatewayError } from '../util/errors.ts';

/**
 * From the configuration that is stored to the one that is wanted, not checked yet. Called again
 * where another process has changed it meanwhile.
 */
export type ConfigChange = (given: JsonObject) => unknown;

/** `POST _config`: each property at the top takes the place of the one before. */
export function merge(patch: unknown): ConfigChange {
  return (given) => {
    if (!isJsonObject(patch)) return patch;
    const { guest, ...rest } = given;
    const users = patch['users'];
    // The older place of the guest, which takes the place of the one before too.
    const namesGuest = isJsonObject(users) && users['GUEST'] !== undefined;
    return {
      ...(namesGuest ? rest : { ...rest, ...(guest === undefined ? {} : { guest }) }),
      ...patch,
    };
  };
}

/** `PUT _config`: what is absent has its default; only the bucket stays where it is. */
export function replace(value: unknown): ConfigChange {
  return () => value;
}

/** `_config/rollback`: as it was; whether it is offline is its state, and stays as it is. */
export function takeBackTo(former: JsonObject): ConfigChange {
  return ({ offline }) => {
    const { offline: _, ...given } = former;
    return offline === undefined ? given : { ...given, offline };
  };
}

/** `_config/sync` and the like: one function, by its place; empty: none. */
export function setFunction(path: readonly string[], source: string): ConfigChange {
  return (given) => withProperty(given, path, source === '' ? undefined : source);
}

/** Several functions at once, as `setFunction`. */
export function setFunctions(
  functions: readonly (readonly [path: readonly string[], source: string])[],
): ConfigChange {
  return (given) =>
    functions.reduce<unknown>(
      (json, [path, source]) => (isJsonObject(json) ? setFunction(path, source)(json) : json),
      given,
    );
}

/** `_offline` and `_online`. */
export function setOffline(offline: boolean): ConfigChange {
  return (given) => ({ ...given, offline });
}

function withProperty(json: JsonObject, path: readonly string[], value: unknown): JsonObject {
  const [name, ...inner] = path;
  if (name === undefined) throw new Error('bug: a property has a name');
  const { [name]: before, ...others } = json;
  if (inner.length === 0) return value === undefined ? others : { ...json, [name]: value };
  if (!isJsonObject(before))
    throw new GatewayError('missing', `the configuration has no ${name} any more`);
  return { ...json, [name]: withProperty(before, inner, value) };
}
