import type { Findings, JsonObject } from './check-table.ts';
import { isJsonObject } from './check-table.ts';
import type { Values } from './option.ts';
import type { DATABASE_OPTIONS } from './database-options.ts';

type Config = Values<typeof DATABASE_OPTIONS>;

/** A collection that a database serves. */
export interface CollectionConfig {
  /** `scope.collection`. */
  readonly fullName: string;
  /** Without the scope. */
  readonly name: string;
  /** Source of its sync function; empty: the default one. */
  readonly sync: string;
  /** Where that stands in the configuration. */
  readonly syncPath: string;
  /** Source of its import filter; empty: it has none. */
  readonly importFilter: string;
  /** Where that stands. */
  readonly importFilterPath: string;
}

/** The scope that every bucket has, and what its unnamed collection is called. */
const DEFAULT_NAME = '_default';
export const DEFAULT_COLLECTION = `${DEFAULT_NAME}.${DEFAULT_NAME}`;

/** What a database serves; at least one. */
export function collectionsOf({
  scopes,
  sync,
  import_filter: importFilter,
}: Pick<Config, 'scopes' | 'sync' | 'import_filter'>): readonly CollectionConfig[] {
  const named = Object.entries(scopes).flatMap(([scope, { collections }]) =>
    Object.entries(collections).map(([name, collection]): CollectionConfig => {
      const path = `scopes.${scope}.collections.${name}`;
      return {
        fullName: `${scope}.${name}`,
        name,
        sync: collection.sync,
        syncPath: `${path}.sync`,
        importFilter: collection.import_filter,
        importFilterPath: `${path}.import_filter`,
      };
    }),
  );
  const [first] = named;
  if (first !== undefined && !isDefaultAlone(scopes)) return named;
  // The default collection may be named and have its functions at the top.
  const top = { fullName: DEFAULT_COLLECTION, name: DEFAULT_NAME, sync, syncPath: 'sync' };
  const filter = { importFilter, importFilterPath: 'import_filter' };
  if (first === undefined) return [{ ...top, ...filter }];
  const withSync = first.sync === '' ? { ...first, ...top } : first;
  return [first.importFilter === '' ? { ...withSync, ...filter } : withSync];
}

/** The scope in which `db.collection` finds a collection. */
export function scopeOf({ scopes }: Pick<Config, 'scopes'>): string {
  return Object.keys(scopes)[0] ?? DEFAULT_NAME;
}

/**
 * Full names of the collections that a stored configuration claims, also of one that is not valid
 * for this version.
 */
export function claimedCollections({ scopes }: JsonObject): readonly string[] {
  const claimed = entriesOf(scopes).flatMap(([scope, inner]) =>
    entriesOf(isJsonObject(inner) ? inner['collections'] : undefined).map(
      ([collection]) => `${scope}.${collection}`,
    ),
  );
  return claimed.length === 0 ? [DEFAULT_COLLECTION] : claimed;
}

/** What must fit together of `scopes`, the functions at the top and the guest (`admin.md` §3). */
export function checkScopes(
  config: Config,
  { problems }: Findings,
  previous: Pick<Config, 'scopes'> | undefined,
): void {
  const { scopes, sync, import_filter: importFilter } = config;
  const names = Object.keys(scopes);
  if (names.length > 1)
    problems.push(`scopes: must name exactly one scope, names ${names.join(', ')}`);
  if (names.length === 0 && previous !== undefined && Object.keys(previous.scopes).length > 0)
    problems.push('scopes: a database with named collections keeps some, it must not be left out');
  for (const [scope, { collections }] of Object.entries(scopes)) {
    const at = `scopes.${scope}.collections`;
    const count = Object.keys(collections).length;
    if (count === 0) problems.push(`${at}: must name at least one collection`);
    if (scope !== DEFAULT_NAME && Object.hasOwn(collections, DEFAULT_NAME))
      problems.push(`${at}.${DEFAULT_NAME}: is in the scope ${DEFAULT_NAME} alone`);
  }
  if (names.length > 0) {
    if (sync !== '') checkTopFunction('sync', scopes, problems);
    if (importFilter !== '') checkTopFunction('import_filter', scopes, problems);
  }
  checkGuest(config, problems);
}

function checkTopFunction(
  name: 'sync' | 'import_filter',
  scopes: Config['scopes'],
  problems: string[],
): void {
  const own = scopes[DEFAULT_NAME]?.collections[DEFAULT_NAME]?.[name] ?? '';
  if (isDefaultAlone(scopes) && own === '') return;
  problems.push(
    `${name}: with scopes, a function belongs into scopes.{scope}.collections.{c}.${name}`,
  );
}

function isDefaultAlone(scopes: Config['scopes']): boolean {
  const claimed = claimedCollections({ scopes });
  return claimed.length === 1 && claimed[0] === DEFAULT_COLLECTION;
}

function checkGuest({ guest, ...config }: Config, problems: string[]): void {
  const served = new Set(collectionsOf(config).map(({ fullName }) => fullName));
  for (const [scope, collections] of Object.entries(guest.collection_access)) {
    for (const [collection, { admin_channels: channels }] of Object.entries(collections)) {
      const at = `guest.collection_access.${scope}.${collection}`;
      const fullName = `${scope}.${collection}`;
      if (!served.has(fullName)) problems.push(`${at}: the database has no such collection`);
      if (fullName === DEFAULT_COLLECTION)
        problems.push(`${at}: its channels are given in guest.admin_channels`);
      checkChannels(`${at}.admin_channels`, channels, problems);
    }
  }
  checkChannels('guest.admin_channels', guest.admin_channels, problems);
}

function checkChannels(path: string, channels: readonly string[], problems: string[]): void {
  for (const [index, channel] of channels.entries())
    if (channel.includes(',')) problems.push(`${path}[${index}]: a channel’s name has no comma`);
}

function entriesOf(json: unknown): readonly (readonly [string, unknown])[] {
  return isJsonObject(json)
    ? Object.entries(json).filter(([, value]) => value !== null && value !== undefined)
    : [];
}
