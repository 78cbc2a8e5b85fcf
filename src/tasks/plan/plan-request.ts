import { z } from 'zod';
import type { DatabaseConfig } from '../../config/database-config.ts';
import { sourceOf } from '../../database/open-collections.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import type { AskedCollections } from '../asked-functions.ts';
import { collectionConfig, collectionsAsked, functionsAsked } from '../asked-functions.ts';

/** What an administrator asks of a plan; collections without a function have the configured one. */
export interface PlanRequest extends AskedCollections {
  /** Whether a stopped plan is forgotten. */
  readonly reset: boolean;
}

/** What a plan evaluates, as it is kept with it: a stopped one goes on only as the same. */
export interface PlanAsked {
  readonly collections: readonly string[];
  /** The text of each one's function. */
  readonly functions: Readonly<Record<string, string>>;
}

export const planAskedSchema = z.object({
  collections: z.array(z.string()),
  functions: z.record(z.string(), z.string()),
}) satisfies z.ZodType<PlanAsked>;

/** Throws `badRequest`, with line and column where a text is no function. */
export async function planAsked(
  config: DatabaseConfig,
  request: PlanRequest,
  sandbox: Sandbox,
): Promise<PlanAsked> {
  const collections = collectionsAsked(config, request);
  const given = functionsAsked(config, request);
  const functions: Record<string, string> = {};
  for (const name of collections) {
    const collection = collectionConfig(config, name);
    const sync = given.get(name) ?? collection.sync;
    functions[name] = sourceOf({ ...collection, sync });
    try {
      await sandbox.check(functions[name]);
    } catch (cause) {
      if (!isGatewayError(cause, 'badRequest')) throw cause;
      const { details } = cause;
      throw new GatewayError('badRequest', `${name}: ${cause.message}`, { details, cause });
    }
  }
  return { collections, functions };
}
