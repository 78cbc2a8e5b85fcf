import type { CollectionId, StoredGrant } from '../bucket/bucket.ts';
import { PUBLIC_CHANNEL } from '../channels/channel-name.ts';
import { STILL } from '../channels/grant-periods.ts';
import { ZERO } from '../document/types.ts';
import type { AccessReason, Reasons } from './access-reasons.ts';
import type { Collections } from './principal-view.ts';

/** Why somebody has or had a channel or role, as the REST API tells it. */
export interface ReasonView {
  /** The sequence from which it holds. */
  readonly since: number;
  /** The sequence at which it ended. */
  readonly until?: number;
  readonly granted_by: GrantedByView;
  /** The role that has the channel, and why the user has the role. */
  readonly role?: ReasonView & { readonly name: string };
}

export interface GrantedByView {
  readonly kind: 'administrator' | 'document' | 'jwt' | 'everyone';
  /** The document that grants. */
  readonly doc?: string;
  /** Where it is: `scope.collection`; absent where the database does not have that now. */
  readonly keyspace?: string;
  /** Who issued the token that claims it. */
  readonly issuer?: string;
}

/** Of what no document grants. */
const NO_COLLECTION = 0;

/** `!` is everyone's. */
export const EVERYONE: ReasonView = { since: 1, granted_by: { kind: 'everyone' } };

export function reasonView(reason: AccessReason, collections: Collections): ReasonView {
  const { grant, membership, from, until } = reason;
  const names = new Map([...collections].map(([name, id]) => [id, name]));
  return {
    ...periodView(from, until === STILL ? ZERO : until),
    granted_by: grantedBy(grant, names),
    ...(membership && {
      role: {
        name: membership.target,
        ...periodView(membership.from, membership.until),
        granted_by: grantedBy(membership, names),
      },
    }),
  };
}

/** By name of what is held now; those of `!` where `channels` are meant. */
export function heldView(
  reasons: Reasons,
  collections: Collections,
  of: 'channels' | 'roles',
): Readonly<Record<string, readonly ReasonView[]>> {
  const held = new Map<string, readonly ReasonView[]>();
  for (const [name, some] of reasons) {
    const views = some.filter(isHeld).map((reason) => reasonView(reason, collections));
    if (views.length > 0) held.set(name, views);
  }
  if (of === 'channels') held.set(PUBLIC_CHANNEL, [EVERYONE]);
  const sorted = [...held].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries<readonly ReasonView[]>(sorted);
}

export const isHeld = ({ until }: AccessReason): boolean => until === STILL;

function periodView(from: number, until: number): Pick<ReasonView, 'since' | 'until'> {
  return { since: Math.max(from, 1), ...(until === ZERO ? {} : { until }) };
}

function grantedBy(
  { source, sourceCollection }: StoredGrant,
  names: ReadonlyMap<CollectionId, string>,
): GrantedByView {
  if (source === '') return { kind: 'administrator' };
  if (sourceCollection === NO_COLLECTION) return { kind: 'jwt', issuer: source };
  const keyspace = names.get(sourceCollection);
  return { kind: 'document', doc: source, ...(keyspace === undefined ? {} : { keyspace }) };
}
