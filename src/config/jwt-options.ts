import { z } from 'zod';
import type { JsonObject } from './check-table.ts';
import type { Values } from './option.ts';
import { group, mapOf, option } from './option.ts';
import type { ValueType } from './value-type.ts';
import { flag, listOf, oneOf, text, webUrl } from './value-type.ts';

/** Signatures that a public key verifies: with a shared secret, who verifies could sign too. */
const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const PROVIDERS_MAX = 64;
const KEYS_MAX = 100;
const CLAIM_LENGTH_MAX = 256;

const providerName: ValueType<string> = {
  says: '1 to 64 letters, digits, _, - and .',
  schema: text(1, 64).schema.refine((name) => /^[-\w.]+$/.test(name)),
};

const jsonWebKey: ValueType<JsonObject> = {
  says: 'a JSON Web Key (an object)',
  schema: z.record(z.string(), z.unknown()),
};

/** `local_jwt` of a database: `admin.md` §3. What must fit together is in `local-jwt.ts`. */
export const LOCAL_JWT = mapOf(
  'Who issues tokens (JSON Web Tokens) that are let in: docs/tokens.md. Of `keys` and `jwks_uri` ' +
    'one is given.',
  {
    placeholder: 'provider',
    name: providerName,
    countMax: PROVIDERS_MAX,
    each: group('One of them; the name is yours to choose.', {
      issuer: option({
        type: text(1, 1024),
        default: undefined,
        about: 'What `iss` of its tokens is: must be given.',
        live: true,
      }),
      client_id: option({
        type: text(0, 1024),
        default: undefined,
        about: 'What `aud` of its tokens is, or has in its list: must be given. Empty: anything.',
        live: true,
      }),
      algorithms: option({
        type: listOf(oneOf(...JWT_ALGORITHMS)),
        default: [],
        about: 'How its tokens may be signed: at least one must be given.',
        live: true,
      }),
      keys: option({
        type: { ...listOf(jsonWebKey), schema: listOf(jsonWebKey).schema.refine(isShort) },
        default: [],
        about:
          `Its public keys, as JSON Web Keys, at most ${KEYS_MAX}. Each has a \`kid\`, unless there ` +
          'is one alone.',
        live: true,
      }),
      jwks_uri: option({
        type: webUrl,
        default: undefined,
        about:
          'Where its public keys are read, as a JSON Web Key Set; again after ten minutes, and when ' +
          'a token names a key that is not among them.',
        secret: 'url',
        live: true,
      }),
      register: option({
        type: flag,
        default: false,
        about:
          'Whether users of its tokens are made when they first come. With false they are 401.',
        live: true,
      }),
      username_claim: option({
        type: text(0, CLAIM_LENGTH_MAX),
        default: '',
        about: 'The claim that names the user. Empty: `sub`.',
        live: true,
      }),
      user_prefix: option({
        type: text(0, 200),
        default: '',
        about:
          'Names of users begin with it and `_`. Empty: with the issuer, URL-encoded; with ' +
          '`username_claim` the claim alone is the name.',
        live: true,
      }),
      roles_claim: option({
        type: text(0, CLAIM_LENGTH_MAX),
        default: '',
        about: 'The claim with roles of the user: a string, or a list of strings. Empty: none.',
        live: true,
      }),
      channels_claim: option({
        type: text(0, CLAIM_LENGTH_MAX),
        default: '',
        about:
          'The claim with channels of the user, which hold in each collection of the database. ' +
          'Empty: none.',
        live: true,
      }),
      skip_expiry_check: option({
        type: flag,
        default: false,
        about: 'Whether tokens are let in that have expired (`exp`), or never do.',
        live: true,
      }),
      disable_session: option({
        type: flag,
        default: false,
        about: 'Refuse `POST _session` with its tokens: each request then brings the token.',
        live: true,
      }),
    }),
  },
);

export type LocalJwtConfig = Readonly<Record<string, JwtProviderConfig>>;
export type JwtProviderConfig = Values<typeof LOCAL_JWT.each.options>;

function isShort(list: readonly unknown[]): boolean {
  return list.length <= KEYS_MAX;
}
