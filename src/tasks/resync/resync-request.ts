import { z } from 'zod';
import type { AskedCollections } from '../asked-functions.ts';

/** What an administrator asks of a resync. */
export interface ResyncRequest extends AskedCollections {
  /** Whether every document gets a new sequence. */
  readonly regenerateSequences: boolean;
  /** Whether a stopped run is forgotten. */
  readonly reset: boolean;
  /** Whether the database serves meanwhile. */
  readonly online: boolean;
}

/** What a run does, as it is kept with it. */
export interface ResyncAsked {
  readonly collections: readonly string[];
  readonly regenerateSequences: boolean;
  /** Versions of the functions, by collection. */
  readonly functions: Readonly<Record<string, number>>;
  readonly online: boolean;
  /** The functions before those, by collection: what `undo` runs. */
  readonly former: Readonly<Record<string, string>>;
}

export const resyncAskedSchema = z.object({
  collections: z.array(z.string()),
  regenerateSequences: z.boolean(),
  functions: z.record(z.string(), z.number()),
  online: z.boolean().default(false),
  former: z.record(z.string(), z.string()).default({}),
}) satisfies z.ZodType<ResyncAsked>;

/** Whether a run that ended early goes on by this: beside requests or not, it is the same. */
export function isSameRun(before: ResyncAsked, asked: ResyncAsked): boolean {
  return textOf(before) === textOf(asked);
}

function textOf({ collections, regenerateSequences, functions }: ResyncAsked): string {
  return JSON.stringify([collections, regenerateSequences, functions]);
}
