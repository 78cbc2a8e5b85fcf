import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import type { Sequence } from '../document/types.ts';
import type { UserInput } from './principal-input.ts';
import { parseUserInput } from './principal-input.ts';
import { GUEST } from './principal-name.ts';
import type { UserRecord } from './principal-record.ts';
import type { Collections, UserView } from './principal-view.ts';
import { changedUser, newUser } from './user-change.ts';

/** What a database's configuration says of the guest, complete. */
export interface GuestConfig {
  readonly disabled: boolean;
  readonly admin_channels: readonly string[];
  readonly admin_roles: readonly string[];
  /** By scope, by collection. */
  readonly collection_access: Readonly<Record<string, GuestScope>>;
}

type GuestScope = Readonly<Record<string, { readonly admin_channels: readonly string[] }>>;

/** What is shown of a guest of which nothing was ever said. */
export const GUEST_ABSENT: UserView = { name: GUEST, email: '', disabled: true };

const UNCONFIGURED = JSON.stringify({ disabled: true, admin_channels: [], admin_roles: [] });

/**
 * The guest after its configuration was applied: as before where this very configuration was the
 * last applied; undefined where it was never configured nor changed. What it does not name of the
 * database's collections the guest does not have. Throws `badRequest`.
 */
export function changedGuest(
  before: UserRecord | undefined,
  config: GuestConfig,
  { asOf, collections }: { readonly asOf: Sequence; readonly collections: Collections },
): UserRecord | undefined {
  const { disabled, admin_channels, admin_roles, collection_access } = config;
  const input = parseUserInput({ disabled, admin_channels, admin_roles, collection_access });
  const configured = textOf(input);
  if (configured === (before?.configured ?? UNCONFIGURED)) return before;
  const adminChannels = new Map(input.adminChannels);
  for (const name of collections.keys()) if (!adminChannels.has(name)) adminChannels.set(name, []);
  const change = { ...input, adminChannels };
  return { ...changedUser(before ?? newUser(asOf), change, undefined), configured };
}

function textOf({ disabled, adminChannels, adminRoles }: UserInput): string {
  const named = [...adminChannels]
    .filter(([name, channels]) => name !== DEFAULT_COLLECTION && channels.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    disabled,
    admin_channels: adminChannels.get(DEFAULT_COLLECTION),
    admin_roles: adminRoles,
    ...(named.length === 0 ? {} : { collections: Object.fromEntries(named) }),
  });
}
