import type { AccessSnapshot } from '../bucket/bucket.ts';
import type { Sequence } from '../document/types.ts';
import { ZERO } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { UserAccess } from './access.ts';
import { channelReasons, roleReasons } from './access-reasons.ts';
import { effectiveAccess } from './effective-access.ts';
import { GUEST, roleKey, userKey } from './principal-name.ts';
import { parseRoleRecord, parseUserRecord } from './principal-record.ts';
import type { PrincipalStore } from './principal-store.ts';
import type { Collections } from './principal-view.ts';
import type { ReasonView } from './reason-view.ts';
import { heldView } from './reason-view.ts';

/** Whose access is to be explained; the guest is `GUEST`. */
export interface Subject {
  readonly kind: 'user' | 'role';
  readonly name: string;
}

/** A user or role with all that it was ever given. */
export interface ExplainedPrincipal {
  readonly subject: Subject;
  readonly access: UserAccess;
  readonly snapshot: AccessSnapshot;
  /** What ended up to there belonged to an earlier user of the name. */
  readonly historyFrom: Sequence;
  /** Of a user: every request of it is refused. */
  readonly disabled: boolean;
}

/** Why somebody has what it has, by keyspace and channel, and by role. */
export interface PrincipalReasons {
  readonly channel_reasons: Readonly<
    Record<string, Readonly<Record<string, readonly ReasonView[]>>>
  >;
  readonly role_reasons?: Readonly<Record<string, readonly ReasonView[]>>;
}

/** Throws `missing` where there is no such user or role. */
export async function explainedPrincipal(
  store: PrincipalStore,
  subject: Subject,
): Promise<ExplainedPrincipal> {
  const { kind, name } = subject;
  if (kind === 'role') {
    const snapshot = await store.read(roleKey(name));
    const value = snapshot.principals[0]?.record?.value;
    if (value === undefined || parseRoleRecord(value).deleted) throw missing(subject);
    const access = effectiveAccess(snapshot);
    return { subject, access, snapshot, historyFrom: ZERO, disabled: false };
  }
  const snapshot = await store.read(userKey(name === GUEST ? '' : name));
  const value = snapshot.principals[0]?.record?.value;
  if (value === undefined && name !== GUEST) throw missing(subject);
  // NOTE: a guest of which nothing was ever said is disabled.
  const record = value === undefined ? undefined : parseUserRecord(value);
  const { historyFrom, disabled } = record ?? { historyFrom: ZERO, disabled: true };
  const access = effectiveAccess(snapshot, { historyFrom });
  return { subject, access, snapshot, historyFrom, disabled };
}

/** All that it has now, with the reasons. */
export function principalReasons(
  { subject, snapshot, historyFrom }: ExplainedPrincipal,
  collections: Collections,
): PrincipalReasons {
  const channels = [...collections].map(([name, id]) => {
    const reasons = channelReasons(snapshot, id, { historyFrom });
    return [name, heldView(reasons, collections, 'channels')] as const;
  });
  const roles = heldView(roleReasons(snapshot, { historyFrom }), collections, 'roles');
  return {
    channel_reasons: Object.fromEntries(channels),
    ...(subject.kind === 'role' ? {} : { role_reasons: roles }),
  };
}

function missing({ kind, name }: Subject): GatewayError {
  return new GatewayError('missing', `there is no ${kind} ${name}`);
}
