import { z } from 'zod';
import type { Sequence } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';

/**
 * What the bucket keeps of a user or role, as JSON text: what administrators said, nothing
 * computed.
 * Channels are kept by collection name, also of those that the database does not have now.
 */

/** By collection name (`scope.collection`): sorted channel names; no empty lists. */
export type AdminChannels = ReadonlyMap<string, readonly string[]>;

export interface UserRecord {
  /** `` for none. */
  readonly email: string;
  readonly disabled: boolean;
  /** bcrypt's text; undefined for a user without a password. */
  readonly passwordHash: string | undefined;
  /** Sessions carry it; a new one voids them all. */
  readonly sessionGeneration: string;
  readonly adminChannels: AdminChannels;
  readonly adminRoles: readonly string[];
  /** What ended up to this sequence belonged to an earlier user of the name. */
  readonly historyFrom: Sequence;
  /** Of the guest: the configuration that was applied last, as JSON text. */
  readonly configured: string | undefined;
  /** What the last of its tokens claimed; undefined for who never came by one. */
  readonly claims: StoredClaims | undefined;
}

/** What a token said of its user, for the issuer to answer for. */
export interface StoredClaims {
  readonly issuer: string;
  /** Sorted, each name once. */
  readonly roles: readonly string[];
  /** Sorted, each name once; of every collection that the database serves. */
  readonly channels: readonly string[];
  /** When the token was issued, Unix seconds; undefined where it did not say. */
  readonly issuedSecs: number | undefined;
  /** When they were last replaced, ISO 8601. */
  readonly updatedAt: string;
}

export interface RoleRecord {
  readonly deleted: boolean;
  readonly adminChannels: AdminChannels;
}

const channels = z.record(z.string(), z.array(z.string())).default({});

const userSchema = z.object({
  email: z.string().default(''),
  disabled: z.boolean().default(false),
  password_hash: z.string().optional(),
  session_generation: z.string(),
  admin_channels: channels,
  admin_roles: z.array(z.string()).default([]),
  history_from: z.number().int().nonnegative().default(0),
  configured: z.string().optional(),
  claims: z
    .object({
      issuer: z.string(),
      roles: z.array(z.string()),
      channels: z.array(z.string()),
      issued_secs: z.number().optional(),
      updated_at: z.string(),
    })
    .optional(),
});

const roleSchema = z.object({
  deleted: z.boolean().default(false),
  admin_channels: channels,
});

/** Throws `corrupt` where the text is none that `formatUserRecord` gave. */
export function parseUserRecord(text: string): UserRecord {
  const stored = parse(userSchema, text);
  return {
    email: stored.email,
    disabled: stored.disabled,
    passwordHash: stored.password_hash,
    sessionGeneration: stored.session_generation,
    adminChannels: new Map(Object.entries(stored.admin_channels)),
    adminRoles: stored.admin_roles,
    historyFrom: stored.history_from as Sequence,
    configured: stored.configured,
    claims: stored.claims && {
      issuer: stored.claims.issuer,
      roles: stored.claims.roles,
      channels: stored.claims.channels,
      issuedSecs: stored.claims.issued_secs,
      updatedAt: stored.claims.updated_at,
    },
  };
}

export function formatUserRecord(user: UserRecord): string {
  const { claims } = user;
  return JSON.stringify({
    email: user.email,
    disabled: user.disabled,
    password_hash: user.passwordHash,
    session_generation: user.sessionGeneration,
    admin_channels: Object.fromEntries(user.adminChannels),
    admin_roles: user.adminRoles,
    history_from: user.historyFrom,
    configured: user.configured,
    claims: claims && {
      issuer: claims.issuer,
      roles: claims.roles,
      channels: claims.channels,
      issued_secs: claims.issuedSecs,
      updated_at: claims.updatedAt,
    },
  });
}

/** Throws `corrupt` where the text is none that `formatRoleRecord` gave. */
export function parseRoleRecord(text: string): RoleRecord {
  const stored = parse(roleSchema, text);
  return {
    deleted: stored.deleted,
    adminChannels: new Map(Object.entries(stored.admin_channels)),
  };
}

export function formatRoleRecord(role: RoleRecord): string {
  return JSON.stringify({
    deleted: role.deleted,
    admin_channels: Object.fromEntries(role.adminChannels),
  });
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new GatewayError('corrupt', 'the stored record of a user or role is malformed', {
      cause,
    });
  }
}
