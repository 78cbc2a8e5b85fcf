import { z } from 'zod';
import { isValidChannelName } from '../channels/channel-name.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import { GatewayError } from '../util/errors.ts';
import { isValidPrincipalName } from './principal-name.ts';

/**
 * What administrators say of users and roles, checked once. In every property undefined means not
 * named, and `null` is taken as that; unknown properties are passed over, computed ones refused.
 */
export interface PrincipalInput {
  readonly name: string | undefined;
  /** By collection name (`scope.collection`): sorted, each name once; an empty list clears. */
  readonly adminChannels: ReadonlyMap<string, readonly string[]>;
}

export interface UserInput extends PrincipalInput {
  readonly password: string | undefined;
  /** `` clears; a malformed one is passed over, as in the reference. */
  readonly email: string | undefined;
  readonly disabled: boolean | undefined;
  /** Sorted, each name once, without `role:`. */
  readonly adminRoles: readonly string[] | undefined;
}

/** The most channels of a list; the reference warns at 50,000 for a user. */
const CHANNELS_MAX = 100_000;
const ROLES_MAX = 10_000;
/** Those of a database, and the default one. */
const COLLECTIONS_MAX = 1001;
/** The most mistakes that one error tells. */
const MISTAKES_MAX = 10;

const channelList = z
  .array(z.string().refine(isValidChannelName, 'is no channel name (empty, a comma, too long)'))
  .max(CHANNELS_MAX)
  .transform(sortedSet)
  .nullish();

const computed = z.null('is computed and cannot be set').optional();

const collectionAccess = z.record(
  z.string(),
  z
    .record(
      z.string(),
      z.object({ admin_channels: channelList, all_channels: computed }).nullable(),
    )
    .nullable(),
);

const principalShape = {
  name: z.string().nullish(),
  admin_channels: channelList,
  collection_access: collectionAccess.nullish(),
  all_channels: computed,
};

const roleSchema = z.object(principalShape);

const userSchema = z.object({
  ...principalShape,
  password: z.string().nullish(),
  email: z.string().nullish(),
  disabled: z.boolean().nullish(),
  admin_roles: z
    .array(z.string().refine(isValidPrincipalName, 'is no role name (empty, or with `:` or `,`)'))
    .max(ROLES_MAX)
    .transform(sortedSet)
    .nullish(),
  roles: computed,
});

/** Throws `badRequest` that tells every mistake by its property. */
export function parseUserInput(value: unknown): UserInput {
  const said = parse(userSchema, value);
  return {
    name: said.name ?? undefined,
    password: said.password ?? undefined,
    email: wellFormedEmail(said.email ?? undefined),
    disabled: said.disabled ?? undefined,
    adminChannels: channelsByCollection(said),
    adminRoles: said.admin_roles ?? undefined,
  };
}

/** Throws `badRequest` that tells every mistake by its property. */
export function parseRoleInput(value: unknown): PrincipalInput {
  const said = parse(roleSchema, value);
  return { name: said.name ?? undefined, adminChannels: channelsByCollection(said) };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.slice(0, MISTAKES_MAX).map((issue) => {
    const where = issue.path.map(String).join('.');
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
  throw new GatewayError('badRequest', mistakes.join('; '));
}

function channelsByCollection(said: z.output<typeof roleSchema>): Map<string, readonly string[]> {
  const byCollection = new Map<string, readonly string[]>();
  if (said.admin_channels) byCollection.set(DEFAULT_COLLECTION, said.admin_channels);
  for (const [scope, collections] of Object.entries(said.collection_access ?? {})) {
    for (const [collection, access] of Object.entries(collections ?? {})) {
      if (!access?.admin_channels) continue;
      byCollection.set(`${scope}.${collection}`, access.admin_channels);
    }
  }
  if (byCollection.size > COLLECTIONS_MAX) {
    throw new GatewayError(
      'badRequest',
      `collection_access names more than ${COLLECTIONS_MAX} collections`,
    );
  }
  return byCollection;
}

/** An email as it is said, or `` to clear it; undefined for none, and for a malformed one. */
export function wellFormedEmail(email: string | undefined): string | undefined {
  if (email === undefined || email === '') return email;
  return email.length <= 254 && /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(email) ? email : undefined;
}

function sortedSet(names: string[]): readonly string[] {
  return [...new Set(names)].sort();
}
