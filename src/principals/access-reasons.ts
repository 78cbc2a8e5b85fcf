import type { AccessSnapshot, CollectionId, StoredGrant } from '../bucket/bucket.ts';
import type { Period } from '../channels/grant-periods.ts';
import { intersectPeriods, STILL, unionPeriods } from '../channels/grant-periods.ts';
import { sequence, ZERO } from '../document/types.ts';
import { must } from '../util/assert.ts';
import { nameOf } from './principal-name.ts';

/**
 * One chain by which a principal has or had something: a grant to itself, or a role that it had
 * with a grant to that role.
 */
export interface AccessReason extends Period {
  /** Of the channel, or of the role where that is what is explained. */
  readonly grant: StoredGrant;
  /** How the principal came by the role that has the channel; absent: the grant is its own. */
  readonly membership?: StoredGrant;
}

export type Reasons = ReadonlyMap<string, readonly AccessReason[]>;

/**
 * All chains by which the snapshot's first principal has or had channels of a collection, by
 * channel, those that hold first, then by their begin. Pure. Together they say what
 * `effectiveAccess` says, but for `!`, which every user has. What ended up to `historyFrom` is left
 * out: it belonged to an earlier user of that name.
 */
export function channelReasons(
  { principals }: AccessSnapshot,
  collection: CollectionId,
  { historyFrom = ZERO } = {},
): Reasons {
  const [own, ...roles] = principals;
  const user = must(own, 'a snapshot begins with the principal that was asked for');
  const found: (readonly [string, AccessReason])[] = [];
  for (const grant of channelsIn(user.grants, collection))
    found.push([grant.target, { ...periodOf(grant), grant }]);
  for (const role of roles) {
    const name = nameOf(role.principal);
    const exists = unionPeriods(role.grants.filter(isExistence).map(periodOf));
    const memberships = user.grants.filter((each) => each.kind === 'role' && each.target === name);
    for (const membership of memberships) {
      const during = intersectPeriods([periodOf(membership)], exists);
      for (const grant of channelsIn(role.grants, collection))
        for (const period of intersectPeriods([periodOf(grant)], during))
          found.push([grant.target, { ...period, grant, membership }]);
    }
  }
  return grouped(found, historyFrom);
}

/** The same of the roles that it has or had, existing or not. */
export function roleReasons({ principals }: AccessSnapshot, { historyFrom = ZERO } = {}): Reasons {
  const user = must(principals[0], 'a snapshot begins with the principal that was asked for');
  const grants = user.grants.filter(({ kind }) => kind === 'role');
  return grouped(
    grants.map((grant) => [grant.target, { ...periodOf(grant), grant }]),
    historyFrom,
  );
}

/** The names of roles that it has, and that count for nothing since they do not exist. */
export function missingRoles({ principals }: AccessSnapshot): readonly string[] {
  const [own, ...roles] = principals;
  const has = new Set(own?.grants.flatMap((grant) => (isHeldRole(grant) ? [grant.target] : [])));
  const exist = new Set(
    roles
      .filter(({ grants }) => grants.some((grant) => isExistence(grant) && grant.until === ZERO))
      .map(({ principal }) => nameOf(principal)),
  );
  return [...has.difference(exist)].toSorted();
}

function grouped(
  found: readonly (readonly [string, AccessReason])[],
  historyFrom: Period['from'],
): Reasons {
  const reasons = new Map<string, AccessReason[]>();
  for (const [target, reason] of found) {
    if (reason.from >= reason.until || reason.until <= historyFrom) continue;
    const known = reasons.get(target);
    if (known === undefined) reasons.set(target, [reason]);
    else known.push(reason);
  }
  for (const some of reasons.values())
    some.sort((a, b) => b.until - a.until || a.from - b.from || compare(a.grant, b.grant));
  return reasons;
}

function compare(a: StoredGrant, b: StoredGrant): number {
  if (a.source === b.source) return 0;
  return a.source < b.source ? -1 : 1;
}

function* channelsIn(
  grants: readonly StoredGrant[],
  collection: CollectionId,
): Generator<StoredGrant> {
  for (const grant of grants)
    if (grant.kind === 'channel' && grant.collection === collection) yield grant;
}

const isExistence = ({ kind }: StoredGrant): boolean => kind === 'exists';

const isHeldRole = ({ kind, until }: StoredGrant): boolean => kind === 'role' && until === ZERO;

function periodOf({ from, until }: StoredGrant): Period {
  return { from: sequence(Math.max(from, 1)), until: until === ZERO ? STILL : until };
}
