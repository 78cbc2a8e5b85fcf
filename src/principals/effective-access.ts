import type {
  AccessSnapshot,
  CollectionId,
  StoredGrant,
  StoredPrincipal,
} from '../bucket/bucket.ts';
import { PUBLIC_CHANNEL } from '../channels/channel-name.ts';
import { intersectPeriods, STILL, unionPeriods } from '../channels/grant-periods.ts';
import type { Period } from '../channels/grant-periods.ts';
import { sequence, ZERO } from '../document/types.ts';
import type { Sequence } from '../document/types.ts';
import { must } from '../util/assert.ts';
import type { ChannelAccess, EndedPeriod, UserAccess } from './access.ts';
import { nameOf } from './principal-name.ts';

/**
 * From grants to channels, pure. A user holds a channel while it is granted to the user itself, or
 * to a role that exists and that the user has at that time. Every user holds `!` from the first
 * sequence on.
 */

/** Periods by collection and channel. */
type Held = Map<CollectionId, Map<string, Period[]>>;

const FIRST = sequence(1);
const PUBLIC_ONLY: ChannelAccess = { current: new Map([[PUBLIC_CHANNEL, FIRST]]), ended: [] };

/**
 * The access that the snapshot's first principal has, a user or a role. `historyFrom`: what ended
 * up to there is left out, because it belonged to an earlier user of that name.
 */
export function effectiveAccess(
  snapshot: AccessSnapshot,
  options: { readonly historyFrom?: Sequence } = {},
): UserAccess {
  const [own, ...roles] = snapshot.principals;
  const user = must(own, 'a snapshot begins with the principal that was asked for');
  const held = heldBy(snapshot);
  const exact = hasMerged(snapshot) ? heldBy(withoutMerged(snapshot)) : held;
  const historyFrom = options.historyFrom ?? ZERO;
  const current = currentRoles(membershipsOf(user));
  const channels = new Map<CollectionId, ChannelAccess>();
  for (const [collection, all] of held) {
    const periods = { all, exact: exact.get(collection) ?? new Map<string, Period[]>() };
    channels.set(collection, channelAccess(periods, historyFrom));
  }
  return {
    name: nameOf(user.principal),
    userSequence: user.record?.seq ?? ZERO,
    version: currentVersion(user, roles, current),
    asOf: snapshot.asOf,
    roles: current,
    channels: (collection) => channels.get(collection) ?? PUBLIC_ONLY,
  };
}

function heldBy({ principals }: AccessSnapshot): Held {
  const [own, ...roles] = principals;
  const user = must(own, 'a snapshot begins with the principal that was asked for');
  const memberships = membershipsOf(user);
  const held: Held = new Map();
  addChannels(held, user.grants, undefined);
  for (const role of roles) {
    const had = memberships.get(nameOf(role.principal));
    if (had === undefined) continue;
    const exists = role.grants.filter((grant) => grant.kind === 'exists').map(periodOf);
    const during = intersectPeriods(had, unionPeriods(exists));
    if (during.length > 0) addChannels(held, role.grants, during);
  }
  return held;
}

function hasMerged({ principals }: AccessSnapshot): boolean {
  return principals.some(({ grants }) => grants.some(({ merged }) => merged === true));
}

function withoutMerged({ principals, asOf }: AccessSnapshot): AccessSnapshot {
  const exact = principals.map((each) => ({
    ...each,
    grants: each.grants.filter(({ merged }) => merged !== true),
  }));
  return { principals: exact, asOf };
}

/** Channels that were granted to this very principal, not by way of roles; `!` among them. */
export function ownChannels(
  principal: StoredPrincipal,
  collection: CollectionId | undefined,
): ReadonlyMap<string, Sequence> {
  const held: Held = new Map();
  addChannels(held, principal.grants, undefined);
  const all = collection === undefined ? undefined : held.get(collection);
  return (all === undefined ? PUBLIC_ONLY : channelAccess({ all, exact: all }, ZERO)).current;
}

function membershipsOf(user: StoredPrincipal): Map<string, readonly Period[]> {
  const periods = new Map<string, Period[]>();
  for (const grant of user.grants) {
    if (grant.kind !== 'role') continue;
    const of = periods.get(grant.target);
    if (of === undefined) periods.set(grant.target, [periodOf(grant)]);
    else of.push(periodOf(grant));
  }
  return new Map([...periods].map(([role, some]) => [role, unionPeriods(some)]));
}

function currentRoles(memberships: Map<string, readonly Period[]>): ReadonlyMap<string, Sequence> {
  const roles = new Map<string, Sequence>();
  for (const [role, periods] of memberships) {
    const last = periods.at(-1);
    if (last?.until === STILL) roles.set(role, last.from);
  }
  return roles;
}

/** A role that it had and has no more cannot change what it has. */
function currentVersion(
  user: StoredPrincipal,
  roles: readonly StoredPrincipal[],
  current: ReadonlyMap<string, Sequence>,
): Sequence {
  const counting = roles.filter((role) => current.has(nameOf(role.principal)));
  return counting.reduce((most, role) => later(most, role.accessVersion), user.accessVersion);
}

/** Adds the channels granted; those of a role only `during` the periods in which it counts. */
function addChannels(
  held: Held,
  grants: readonly StoredGrant[],
  during: readonly Period[] | undefined,
): void {
  for (const grant of grants) {
    if (grant.kind !== 'channel') continue;
    const period = periodOf(grant);
    const periods = during === undefined ? [period] : intersectPeriods([period], during);
    if (periods.length === 0) continue;
    let byChannel = held.get(grant.collection);
    if (byChannel === undefined)
      held.set(grant.collection, (byChannel = new Map<string, Period[]>()));
    const known = byChannel.get(grant.target);
    if (known === undefined) byChannel.set(grant.target, [...periods]);
    else known.push(...periods);
  }
}

/**
 * `exact`: without the periods that are merged of several. Those are told as ended alone, up to
 * where the present one begins: what is held now must not seem to be held for longer than it is,
 * since from its begin on a feed tells what the reader has not.
 */
function channelAccess(
  {
    all,
    exact,
  }: {
    readonly all: ReadonlyMap<string, readonly Period[]>;
    readonly exact: ReadonlyMap<string, readonly Period[]>;
  },
  historyFrom: Sequence,
): ChannelAccess {
  const current = new Map<string, Sequence>();
  const ended: EndedPeriod[] = [];
  for (const [channel, some] of all) {
    if (channel === PUBLIC_CHANNEL) continue;
    const known = exact.get(channel) ?? [];
    const now = unionPeriods(known).at(-1);
    const begin = now?.until === STILL ? now.from : undefined;
    for (const period of unionPeriods(some)) {
      const { from } = period;
      const until = period.until === STILL ? (begin ?? from) : period.until;
      if (from < until && until > historyFrom) ended.push({ channel, from, until });
    }
    if (begin !== undefined) current.set(channel, begin);
  }
  current.set(PUBLIC_CHANNEL, FIRST);
  ended.sort((a, b) => a.until - b.until || a.from - b.from || (a.channel < b.channel ? -1 : 1));
  return { current, ended };
}

function periodOf(grant: StoredGrant): Period {
  return { from: later(grant.from, FIRST), until: grant.until === ZERO ? STILL : grant.until };
}

function later(a: Sequence, b: Sequence): Sequence {
  return a > b ? a : b;
}
