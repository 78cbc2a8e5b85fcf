import { isJsonObject, noFindings } from '../config/check-table.ts';
import { configurationError } from '../config/findings.ts';
import { inlineFunctions, isUrl } from '../config/function-places.ts';
import type { RestServices } from './rest-services.ts';

/**
 * A configuration as it was sent, with functions that it names by URL in it: they are read once,
 * now, and stored as text. Throws `badRequest` that tells which could not be read, and why.
 */
export async function withFunctions(
  body: unknown,
  { readFunction }: Pick<RestServices, 'readFunction'>,
): Promise<unknown> {
  if (!isJsonObject(body)) return body;
  const { given, problems } = await inlineFunctions(body, readFunction, isUrl);
  if (problems.length === 0) return given;
  throw configurationError('configuration', { ...noFindings(), problems: [...problems] });
}
