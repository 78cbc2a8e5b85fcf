import { isJsonObject } from '../../config/check-table.ts';
import { collectionConfig } from '../asked-functions.ts';
import type { ServedDatabase } from '../../database/served-database.ts';

/**
 * The functions that collections had before those of now, by full name, as far as configurations
 * are kept; empty: the default one. Collections whose function was never another one are left out.
 */
export async function formerFunctions(
  served: ServedDatabase,
  collections: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const { config } = served.current;
  const versions = (await served.versions()).toReversed();
  const former: Record<string, string> = {};
  for (const name of collections) {
    const path = collectionConfig(config, name).syncPath.split('.');
    const [now, ...before] = versions.map(({ given }) => textAt(given, path));
    const other = before.find((text) => text !== now);
    if (other !== undefined) former[name] = other;
  }
  return former;
}

function textAt(given: unknown, path: readonly string[]): string {
  let value = given;
  for (const name of path) value = isJsonObject(value) ? value[name] : undefined;
  return typeof value === 'string' ? value : '';
}
