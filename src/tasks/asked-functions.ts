import type { DatabaseConfig } from '../config/database-config.ts';
import type { CollectionConfig } from '../config/scopes.ts';
import { collectionsOf } from '../config/scopes.ts';
import { GatewayError } from '../util/errors.ts';

/** Collections of a database, and functions for some, as an administrator names them. */
export interface AskedCollections {
  /** Names of collections by scope; undefined: all. */
  readonly scopes?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The function of the one collection that is meant; empty: the default one. */
  readonly sync?: string | undefined;
  /** Functions by `scope.collection`. */
  readonly functions?: Readonly<Record<string, string>> | undefined;
}

/** The full names of the collections. Throws `badRequest` for one that the database has not. */
export function collectionsAsked(
  config: DatabaseConfig,
  { scopes }: Pick<AskedCollections, 'scopes'>,
): readonly string[] {
  const known = collectionsOf(config).map(({ fullName }) => fullName);
  if (scopes === undefined) return known;
  const scopesKnown = new Set(known.map((fullName) => fullName.split('.')[0]));
  return Object.entries(scopes).flatMap(([scope, names]) => {
    if (!scopesKnown.has(scope)) throw unknown(`scope ${scope}`, known);
    return [...new Set(names)].map((name) => {
      const fullName = `${scope}.${name}`;
      if (!known.includes(fullName)) throw unknown(`collection ${fullName}`, known);
      return fullName;
    });
  });
}

/**
 * The functions that are given, by full name of their collection. Throws `badRequest` where it
 * cannot be told which collection one is for, or that is not among the collections asked for.
 */
export function functionsAsked(
  config: DatabaseConfig,
  asked: AskedCollections,
): ReadonlyMap<string, string> {
  const names = collectionsAsked(config, asked);
  const { sync, functions = {} } = asked;
  const given = new Map(Object.entries(functions));
  if (sync !== undefined) {
    const [only, ...others] = names;
    if (only === undefined || others.length > 0 || given.size > 0)
      throw new GatewayError(
        'badRequest',
        'sync: is the function of one collection; give others in functions, by scope.collection',
      );
    given.set(only, sync);
  }
  for (const name of given.keys())
    if (!names.includes(name)) throw unknown(`collection ${name} among those asked for`, names);
  return given;
}

/** Its part of the configuration. Throws `badRequest` where the database has it no more. */
export function collectionConfig(config: DatabaseConfig, fullName: string): CollectionConfig {
  const known = collectionsOf(config);
  const found = known.find((each) => each.fullName === fullName);
  if (found !== undefined) return found;
  throw unknown(
    `collection ${fullName}`,
    known.map((each) => each.fullName),
  );
}

function unknown(what: string, known: readonly string[]): GatewayError {
  return new GatewayError(
    'badRequest',
    `the database has no ${what}; its collections are ${known.join(', ')}`,
  );
}
