import type { CollectionId, Grant } from '../bucket/bucket.ts';
import type { ClaimedGrants } from '../bucket/principal-change.ts';
import type { Sequence } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import { wellFormedEmail } from './principal-input.ts';
import { userKey } from './principal-name.ts';
import type { StoredClaims, UserRecord } from './principal-record.ts';
import type { Collections } from './principal-view.ts';
import { newUser } from './user-change.ts';

/** A user as a verified token tells of it: names are valid ones. */
export interface TokenUser {
  readonly name: string;
  /** Of a user that is made; undefined where the token has none. */
  readonly email: string | undefined;
  readonly claims: Omit<StoredClaims, 'updatedAt'>;
}

const NO_COLLECTION = 0 as CollectionId;

/**
 * Whether the claims of a token take the place of those that the user has. Those of a token that
 * was issued earlier do not: so what a later one took away does not come back, and two devices with
 * tokens of their own do not take turns.
 */
export function isNews(known: StoredClaims | undefined, claims: TokenUser['claims']): boolean {
  if (known === undefined) return true;
  const isEarlier =
    claims.issuedSecs !== undefined &&
    known.issuedSecs !== undefined &&
    claims.issuedSecs < known.issuedSecs;
  return !isEarlier && !isSame(known, claims);
}

/**
 * The record of a user with what a token says of it. One that says to be issued later than now
 * counts as of now: it is not to stand above all that come after it.
 */
export function withClaims(
  before: UserRecord,
  { claims }: TokenUser,
  { nowMs }: { readonly nowMs: number },
): UserRecord {
  if (!isNews(before.claims, claims)) return before;
  const nowSecs = Math.floor(nowMs / 1000);
  const { issuedSecs } = claims;
  return {
    ...before,
    claims: {
      ...claims,
      issuedSecs: issuedSecs === undefined ? undefined : Math.min(issuedSecs, nowSecs),
      updatedAt: new Date(nowMs).toISOString(),
    },
  };
}

/** `passwordHash`: one that no password gives. */
export function registeredUser(
  { email }: TokenUser,
  { asOf, passwordHash }: { readonly asOf: Sequence; readonly passwordHash: string },
): UserRecord {
  return { ...newUser(asOf), email: wellFormedEmail(email) ?? '', passwordHash };
}

/** The most that one token may give: other writers of the bucket wait for it. */
const GRANTS_MAX = 50_000;

/**
 * All that the claims of a user's tokens give it: channels in each collection that is served.
 * Throws `unauthorized` where that are too many.
 */
export function claimedGrants(
  name: string,
  { claims }: UserRecord,
  collections: Collections,
): ClaimedGrants {
  if (claims === undefined) return { issuer: '', grants: [] };
  if (claims.channels.length * collections.size > GRANTS_MAX)
    throw new GatewayError('unauthorized', `it claims more than ${GRANTS_MAX} channels in all`);
  const principal = userKey(name);
  const roles = claims.roles.map((target): Grant => ({
    principal,
    kind: 'role',
    collection: NO_COLLECTION,
    target,
  }));
  const channels = [...collections.values()].flatMap((collection) =>
    claims.channels.map((target): Grant => ({ principal, kind: 'channel', collection, target })),
  );
  return { issuer: claims.issuer, grants: [...roles, ...channels] };
}

function isSame(known: StoredClaims, claims: TokenUser['claims']): boolean {
  const contentOf = ({ issuer, roles, channels }: TokenUser['claims']) =>
    JSON.stringify([issuer, roles, channels]);
  return contentOf(known) === contentOf(claims);
}
