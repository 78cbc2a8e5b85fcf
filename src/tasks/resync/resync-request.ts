import { z } from 'zod';
import type { DatabaseConfig } from '../../config/database-config.ts';
import { collectionsOf } from '../../config/scopes.ts';
import type { CollectionContext } from '../../database/collection-context.ts';
import { must } from '../../util/assert.ts';
import { GatewayError } from '../../util/errors.ts';

/** What an administrator asks of a resync. */
export interface ResyncRequest {
  /** Names of collections by scope; undefined: all. */
  readonly scopes?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Whether every document gets a new sequence. */
  readonly regenerateSequences: boolean;
  /** Whether a stopped run is forgotten. */
  readonly reset: boolean;
}

/** What a run does, as it is kept with it: a stopped one goes on only as the same. */
export interface ResyncAsked {
  readonly collections: readonly string[];
  readonly regenerateSequences: boolean;
  /** Versions of the functions, by collection. */
  readonly functions: Readonly<Record<string, number>>;
}

export const resyncAskedSchema = z.object({
  collections: z.array(z.string()),
  regenerateSequences: z.boolean(),
  functions: z.record(z.string(), z.number()),
}) satisfies z.ZodType<ResyncAsked>;

/** The full names of the collections. Throws `badRequest` for one that the database has not. */
export function collectionsAsked(
  config: DatabaseConfig,
  { scopes }: Pick<ResyncRequest, 'scopes'>,
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

function unknown(what: string, known: readonly string[]): GatewayError {
  return new GatewayError(
    'badRequest',
    `the database has no ${what}; its collections are ${known.join(', ')}`,
  );
}

export function askedOf(
  collections: readonly string[],
  contexts: ReadonlyMap<string, CollectionContext>,
  { regenerateSequences }: ResyncRequest,
): ResyncAsked {
  const functions = Object.fromEntries(
    collections.map((name) => {
      const context = must(contexts.get(name), 'the collections are of the database');
      return [name, context.syncFunction.now.cas];
    }),
  );
  return { collections, regenerateSequences, functions };
}
