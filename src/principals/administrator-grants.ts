import type { CollectionId, Grant, PrincipalKey } from '../bucket/bucket.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import type { AdminChannels, RoleRecord, UserRecord } from './principal-record.ts';
import type { Collections } from './principal-view.ts';

const NO_COLLECTION = 0 as CollectionId;

/** Where an administrator's channels count, and what it gave so far. */
export interface GrantContext {
  /** The collections that grants may name. */
  readonly collections: Collections;
  /** What the principal was given and has. */
  readonly given: readonly Grant[];
}

/** All that an administrator gives to a user. */
export function userGrants(
  principal: PrincipalKey,
  user: UserRecord,
  context: GrantContext,
): readonly Grant[] {
  const roles = user.adminRoles.map((target): Grant => ({
    principal,
    kind: 'role',
    collection: NO_COLLECTION,
    target,
  }));
  return [...channelGrants(principal, user.adminChannels, context), ...roles];
}

/** All that an administrator gives to a role, and that it exists: else it counts for nobody. */
export function roleGrants(
  principal: PrincipalKey,
  role: RoleRecord,
  context: GrantContext,
): readonly Grant[] {
  if (role.deleted) return [];
  const exists: Grant = { principal, kind: 'exists', collection: NO_COLLECTION, target: '' };
  return [exists, ...channelGrants(principal, role.adminChannels, context)];
}

/**
 * What was given in collections that the database does not have now stays: the record keeps it too,
 * for the day on which they are configured again.
 */
function channelGrants(
  principal: PrincipalKey,
  adminChannels: AdminChannels,
  { collections, given }: GrantContext,
): readonly Grant[] {
  const known = new Set(collections.values());
  const grants: Grant[] = given
    .filter(({ kind, collection }) => kind === 'channel' && !known.has(collection))
    .map(({ kind, collection, target }) => ({ principal, kind, collection, target }));
  for (const [name, channels] of adminChannels) {
    const collection = collections.get(name);
    if (collection === undefined) continue;
    for (const target of channels) grants.push({ principal, kind: 'channel', collection, target });
  }
  return grants;
}

/** Channels at the top of a principal are kept also where the default collection is not served. */
export function grantable(collections: Collections, defaultCollection: CollectionId): Collections {
  return new Map([[DEFAULT_COLLECTION, defaultCollection], ...collections]);
}
