import { isGatewayError } from '../util/errors.ts';
import type { JsonObject } from './check-table.ts';
import { isJsonObject, objectAt } from './check-table.ts';
import { setProperty } from './set-property.ts';

/**
 * Functions that stand elsewhere: in the place of its source, a configuration may name a file or a
 * URL (`admin.md` §3). They are read once, when the configuration is taken, so that nothing that is
 * served depends on them later.
 */

/** The text at a path or URL. Throws a GatewayError that tells why there is none. */
export type ReadText = (place: string) => Promise<string>;

export interface InlinedFunctions {
  /** With the sources in place of their paths and URLs; the same object where there were none. */
  readonly given: JsonObject;
  /** Sentences that begin with the path of the property. */
  readonly problems: readonly string[];
}

const FUNCTION_NAMES = ['sync', 'import_filter'] as const;

export function isUrl(text: string): boolean {
  return /^https?:\/\/\S+$/iu.test(text.trim());
}

/** One line without anything that a function has, which looks like the path of a file. */
export function isFilePath(text: string): boolean {
  const path = text.trim();
  return /^[^\n(){};`=]+$/u.test(path) && (/[/\\]/u.test(path) || path.endsWith('.js'));
}

/** Reads those functions of a database's configuration for which `stands` says so. */
export async function inlineFunctions(
  given: JsonObject,
  read: ReadText,
  stands: (text: string) => boolean,
): Promise<InlinedFunctions> {
  let inlined = given;
  const problems: string[] = [];
  for (const { path, text } of functionTexts(given)) {
    if (!stands(text)) continue;
    try {
      inlined = setProperty(inlined, path, await read(text.trim()));
    } catch (cause) {
      if (!isGatewayError(cause)) throw cause;
      problems.push(`${path.join('.')}: ${cause.message}`);
    }
  }
  return { given: inlined, problems };
}

function* functionTexts(given: JsonObject): Generator<{ path: readonly string[]; text: string }> {
  yield* textsIn(given, []);
  for (const scope of Object.keys(objectAt(given, 'scopes'))) {
    const collections = objectAt(given, 'scopes', scope, 'collections');
    for (const [name, collection] of Object.entries(collections)) {
      const path = ['scopes', scope, 'collections', name];
      if (isJsonObject(collection)) yield* textsIn(collection, path);
    }
  }
}

function* textsIn(
  json: JsonObject,
  path: readonly string[],
): Generator<{ path: readonly string[]; text: string }> {
  for (const name of FUNCTION_NAMES) {
    const text = json[name];
    if (typeof text === 'string') yield { path: [...path, name], text };
  }
}
