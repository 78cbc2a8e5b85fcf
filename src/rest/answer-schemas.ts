import { z } from 'zod';
import type { ErrorTag } from '../util/errors.ts';

/** What several routes answer, for the description of the API. */

export const document = z.looseObject({ _id: z.string(), _rev: z.string() });

/** A row of a list that tells an error. */
export const bulkError = z.object({
  error: z.string(),
  id: z.string(),
  reason: z.string(),
  rev: z.string().optional(),
  status: z.int(),
});

export const written = z.object({ id: z.string(), ok: z.literal(true), rev: z.string() });

const seq = z.union([z.int(), z.string()]);

export const changes = z.object({
  results: z.array(
    z.object({
      seq,
      id: z.string(),
      deleted: z.literal(true).optional(),
      removed: z.array(z.string()).optional(),
      doc: document.optional(),
      changes: z.array(z.object({ rev: z.string() })),
      revoked: z.literal(true).optional(),
    }),
  ),
  last_seq: seq,
});

const allDocsRow = z.object({
  key: z.string(),
  id: z.string(),
  value: z.object({
    rev: z.string(),
    channels: z.array(z.string()).optional(),
    access: z.record(z.string(), z.array(z.string())).optional(),
  }),
  update_seq: z.int().optional(),
  doc: document.optional(),
});

export const allDocs = z.object({
  rows: z.array(
    z.union([allDocsRow, z.object({ key: z.string(), error: z.string(), status: z.int() })]),
  ),
  total_rows: z.int(),
  update_seq: z.int(),
});

export const session = z.object({
  authentication_handlers: z.array(z.string()),
  ok: z.literal(true),
  userCtx: z.object({
    name: z.string().nullable(),
    channels: z.record(z.string(), z.int()).nullable(),
  }),
});

const collectionAccess = z.record(
  z.string(),
  z.record(
    z.string(),
    z.object({
      admin_channels: z.array(z.string()).optional(),
      all_channels: z.array(z.string()),
    }),
  ),
);

const role = z.object({
  name: z.string(),
  admin_channels: z.array(z.string()).optional(),
  all_channels: z.array(z.string()).optional(),
  collection_access: collectionAccess.optional(),
});

const grantedBy = z.object({
  kind: z.enum(['administrator', 'document', 'jwt', 'everyone']),
  doc: z.string().optional(),
  keyspace: z.string().optional(),
  issuer: z.string().optional(),
});

const held = { since: z.int(), until: z.int().optional(), granted_by: grantedBy };

/** Why somebody has or had a channel or role. */
export const reason = z.object({
  ...held,
  role: z.object({ name: z.string(), ...held }).optional(),
});

export const roleWithReasons = role.extend({
  channel_reasons: z.record(z.string(), z.record(z.string(), z.array(reason))).optional(),
});

export const user = roleWithReasons.extend({
  email: z.string(),
  disabled: z.boolean(),
  admin_roles: z.array(z.string()).optional(),
  roles: z.array(z.string()).optional(),
  jwt_issuer: z.string().optional(),
  jwt_roles: z.array(z.string()).optional(),
  jwt_channels: z.array(z.string()).optional(),
  jwt_last_updated: z.string().optional(),
  role_reasons: z.record(z.string(), z.array(reason)).optional(),
});

/** What an administrator says of a role; what is not named stays. */
export const roleInput = z.object({
  name: z.string().nullish(),
  admin_channels: z.array(z.string()).nullish(),
  collection_access: z
    .record(
      z.string(),
      z.record(z.string(), z.object({ admin_channels: z.array(z.string()).nullish() })),
    )
    .nullish(),
});

/** And of a user. */
export const userInput = roleInput.extend({
  password: z.string().nullish(),
  email: z.string().nullish(),
  disabled: z.boolean().nullish(),
  admin_roles: z.array(z.string()).nullish(),
});

/** Of a configuration: its options are described where they are given. */
export const configuration = z.looseObject({});

export const databaseState = z.object({
  state: z.string(),
  state_since: z.string().optional(),
  state_reason: z.string().optional(),
  state_scope: z.literal('node').optional(),
  online_at: z.string().optional(),
  require_resync: z.array(z.string()).optional(),
  feed: z
    .object({
      state: z.enum(['following', 'retrying', 'lost']),
      since: z.string().optional(),
      reason: z.string().optional(),
      lag_sequences: z.int().optional(),
      lag_secs: z.int(),
    })
    .optional(),
});

/** A bucket of which it is not known which databases it has. */
export const bucketInTrouble = z.object({
  bucket: z.string(),
  since: z.string(),
  reason: z.string(),
});

/** What the sync function and the revision tree may refuse of a write. */
export const WRITE_ERRORS: readonly ErrorTag[] = [
  'conflict',
  'forbidden',
  'functionFailed',
  'unauthorized',
];
