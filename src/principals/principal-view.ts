import type { CollectionId } from '../bucket/bucket.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import type { UserAccess } from './access.ts';
import type { AdminChannels, RoleRecord, StoredClaims, UserRecord } from './principal-record.ts';

/** What the REST API shows of users and roles (`admin.md` §7). Empty lists are left out. */

interface PrincipalView {
  readonly name: string;
  readonly admin_channels?: readonly string[];
  readonly collection_access?: CollectionAccessView;
}

export interface UserView extends PrincipalView {
  readonly email: string;
  readonly disabled: boolean;
  readonly admin_roles?: readonly string[];
  /** Also those by documents and roles; always with `!`. */
  readonly all_channels?: readonly string[];
  /** Given by administrators, documents or tokens, whether or not the role exists. */
  readonly roles?: readonly string[];
  /** Whose token said last what the user is to have; with `jwt_last_updated`. */
  readonly jwt_issuer?: string;
  readonly jwt_roles?: readonly string[];
  readonly jwt_channels?: readonly string[];
  readonly jwt_last_updated?: string;
}

export interface RoleView extends PrincipalView {
  readonly all_channels?: readonly string[];
}

/** By scope, by collection. */
type CollectionAccessView = Readonly<Record<string, Readonly<Record<string, CollectionView>>>>;

interface CollectionView {
  readonly admin_channels?: readonly string[];
  readonly all_channels: readonly string[];
}

/** The collections that a database serves, by `scope.collection`. */
export type Collections = ReadonlyMap<string, CollectionId>;

export function userView(
  name: string,
  user: UserRecord,
  { access, collections }: { readonly access: UserAccess; readonly collections: Collections },
): UserView {
  return {
    ...principalView(name, user.adminChannels, { access, collections }),
    email: user.email,
    disabled: user.disabled,
    ...listed('admin_roles', user.adminRoles),
    ...defaultChannels(access, collections),
    ...listed('roles', [...access.roles.keys()].sort()),
    ...(user.claims && claimsView(user.claims)),
  };
}

function claimsView(claims: StoredClaims) {
  return {
    jwt_issuer: claims.issuer,
    ...listed('jwt_roles', claims.roles),
    ...listed('jwt_channels', claims.channels),
    jwt_last_updated: claims.updatedAt,
  };
}

export function roleView(
  name: string,
  role: RoleRecord,
  { access, collections }: { readonly access: UserAccess; readonly collections: Collections },
): RoleView {
  return {
    ...principalView(name, role.adminChannels, { access, collections }),
    ...defaultChannels(access, collections),
  };
}

function principalView(
  name: string,
  adminChannels: AdminChannels,
  { access, collections }: { readonly access: UserAccess; readonly collections: Collections },
): PrincipalView {
  const scopes = new Map<string, Map<string, CollectionView>>();
  for (const [fullName, id] of collections) {
    if (fullName === DEFAULT_COLLECTION) continue;
    const dot = fullName.indexOf('.');
    const scope = fullName.slice(0, dot);
    const views = scopes.get(scope) ?? new Map<string, CollectionView>();
    scopes.set(scope, views);
    views.set(fullName.slice(dot + 1), {
      ...listed('admin_channels', adminChannels.get(fullName) ?? []),
      all_channels: channelsOf(access, id),
    });
  }
  const byScope = [...scopes].map(([scope, views]) => [scope, Object.fromEntries(views)] as const);
  return {
    name,
    ...listed('admin_channels', adminChannels.get(DEFAULT_COLLECTION) ?? []),
    ...(byScope.length > 0 && { collection_access: Object.fromEntries(byScope) }),
  };
}

/** A database with named collections only has no channels at the top. */
function defaultChannels(
  access: UserAccess,
  collections: Collections,
): { readonly all_channels?: readonly string[] } {
  const id = collections.get(DEFAULT_COLLECTION);
  return id === undefined ? {} : { all_channels: channelsOf(access, id) };
}

function channelsOf(access: UserAccess, collection: CollectionId): readonly string[] {
  return [...access.channels(collection).current.keys()].sort();
}

function listed<K extends string>(
  property: K,
  names: readonly string[],
): { readonly [P in K]?: readonly string[] } {
  return names.length === 0 ? {} : ({ [property]: names } as { [P in K]: readonly string[] });
}
