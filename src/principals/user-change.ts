import { randomUUID } from 'node:crypto';
import type { Sequence } from '../document/types.ts';
import type { UserInput } from './principal-input.ts';
import type { AdminChannels, UserRecord } from './principal-record.ts';

/** A password that is to be stored: as bcrypt's text, or none (where empty ones are allowed). */
export type NewPassword = { readonly hash: string | undefined };

/**
 * The record of a new user. `asOf`: the end of the history when there was no such user, so all
 * that happened up to there belonged to others of that name.
 */
export function newUser(asOf: Sequence): UserRecord {
  return {
    email: '',
    disabled: false,
    passwordHash: undefined,
    sessionGeneration: randomUUID(),
    adminChannels: new Map(),
    adminRoles: [],
    historyFrom: asOf,
    configured: undefined,
    claims: undefined,
  };
}

/** What was not named stays. A new password voids the sessions. */
export function changedUser(
  before: UserRecord,
  input: UserInput,
  password: NewPassword | undefined,
): UserRecord {
  return {
    ...before,
    email: input.email ?? before.email,
    disabled: input.disabled ?? before.disabled,
    adminChannels: changedChannels(before.adminChannels, input.adminChannels),
    adminRoles: input.adminRoles ?? before.adminRoles,
    ...(password && { passwordHash: password.hash, sessionGeneration: randomUUID() }),
  };
}

/** Collections that were not named keep their channels; an empty list clears. */
export function changedChannels(before: AdminChannels, named: AdminChannels): AdminChannels {
  const channels = new Map(before);
  for (const [collection, list] of named) {
    if (list.length === 0) channels.delete(collection);
    else channels.set(collection, list);
  }
  return channels;
}
