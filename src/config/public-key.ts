import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { JsonObject } from './check-table.ts';
import type { JwtAlgorithm } from './jwt-options.ts';

/** Longer ones verify too slowly: a stranger who sends tokens chooses how often. */
const RSA_BITS_MAX = 8192;
const RSA_BITS_MIN = 2048;
const RSA_EXPONENT_MAX = 2n ** 32n;
const KID_LENGTH_MAX = 1024;

/** Parts that only the owner of a key may have. */
const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

const CURVES: Readonly<Record<string, JwtAlgorithm>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
};

/**
 * Why a JSON Web Key verifies no token that is signed by one of the algorithms; undefined where it
 * can. Nothing of what it holds is in the answer but names.
 */
export function publicKeyProblem(
  jwk: JsonObject,
  algorithms: readonly JwtAlgorithm[],
): string | undefined {
  const { kty, kid, use, alg, key_ops: keyOps } = jwk;
  if (kty === undefined) return 'kty must be given: "RSA", "EC" or "OKP"';
  if (kty === 'oct') return 'is a shared secret (kty "oct"); only public keys are taken';
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return 'kty must be "RSA", "EC" or "OKP"';
  const secret = PRIVATE_PARTS.find((part) => jwk[part] !== undefined);
  if (secret !== undefined) return `has a private part (${secret}); give the public key alone`;
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > KID_LENGTH_MAX))
    return `kid must be a string of 1 to ${KID_LENGTH_MAX} characters`;
  if (use !== undefined && use !== 'sig') return 'use must be "sig", where it is given';
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify')))
    return 'key_ops must be a list with "verify", where it is given';
  if (alg !== undefined && typeof alg !== 'string') return 'alg must be a string';
  const key = keyOf(jwk);
  if (key === undefined) return `is no key: what kty ${kty} needs is not there, or not right`;
  const { modulusLength: bits = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (bits > RSA_BITS_MAX) return `has ${bits} bits; at most ${RSA_BITS_MAX} are taken`;
  if (publicExponent > RSA_EXPONENT_MAX) return 'e is too large';
  const fits = algorithms.some((each) => isFor(jwk, each) && (alg === undefined || alg === each));
  return fits ? undefined : `is for none of the algorithms ${algorithms.join(', ')}`;
}

/** Whether it is a key that RFC 7518 forbids for its length: what it signed is not let in. */
export function isTooShort(jwk: JsonObject): boolean {
  const bits = keyOf(jwk)?.asymmetricKeyDetails?.modulusLength;
  return bits !== undefined && bits < RSA_BITS_MIN;
}

function isFor({ kty, crv }: JsonObject, algorithm: JwtAlgorithm): boolean {
  if (kty === 'RSA') return algorithm.startsWith('RS') || algorithm.startsWith('PS');
  return typeof crv === 'string' && Object.hasOwn(CURVES, crv) && CURVES[crv] === algorithm;
}

function keyOf(jwk: JsonObject): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined; // NOTE: the system's words would tell parts of it
  }
}
