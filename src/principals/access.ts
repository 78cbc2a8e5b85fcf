import type { AccessPrecondition, CollectionId } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import type { Sequence } from '../document/types.ts';
import { roleKey, userKey } from './principal-name.ts';

/**
 * The one place that decides who may read what. A Reader is the result of authentication; its
 * access is computed from grants (`effective-access.ts`) and holds as of a sequence.
 */
export type Reader =
  | { readonly kind: 'admin' }
  | {
      readonly kind: 'user';
      readonly access: UserAccess;
    };

export interface UserAccess {
  /** `` for the guest. */
  readonly name: string;
  /**
   * The user row of its feed (`_user/NAME`) stands at this sequence: the last change of its record
   * by an administrator.
   */
  readonly userSequence: Sequence;
  /** The highest access version of the user and the roles that it has. */
  readonly version: Sequence;
  /** The sequence of the snapshot from which this was computed: nothing changed up to it. */
  readonly asOf: Sequence;
  /** Roles that the user has, existing or not, each with the sequence from which it has it. */
  readonly roles: ReadonlyMap<string, Sequence>;
  /** Of a collection; `!` is always in it. */
  channels(collection: CollectionId): ChannelAccess;
}

export interface ChannelAccess {
  /** Channels held now, with the sequence from which they are held without a break, at least 1. */
  readonly current: ReadonlyMap<string, Sequence>;
  /**
   * Periods that ended, for revocations, by their end, the earliest first: held from (inclusive)
   * until (exclusive).
   */
  readonly ended: readonly EndedPeriod[];
}

export interface EndedPeriod {
  readonly channel: string;
  readonly from: Sequence;
  readonly until: Sequence;
}

/**
 * Whether the reader may see a document that is in these channels of the collection. Administrators
 * and holders of `*` see all; a document in no channel is seen by them alone; one in `!` by every
 * user, since every user holds `!`.
 */
export function mayRead(
  reader: Reader,
  collection: CollectionId,
  channels: Iterable<string>,
): boolean {
  if (reader.kind === 'admin') return true;
  const held = reader.access.channels(collection).current;
  if (held.has(ALL_CHANNELS)) return true;
  for (const channel of channels) if (held.has(channel)) return true;
  return false;
}

/**
 * What must not have changed since for this access to hold: the user and the roles that it has. A
 * role that it had and has no more cannot change what it may read.
 */
export function accessPrecondition(database: string, access: UserAccess): AccessPrecondition {
  const principals = [userKey(access.name), ...[...access.roles.keys()].map(roleKey)];
  return { database, principals, asOf: access.asOf };
}
