import { createLocalJWKSet, errors } from 'jose';
import type { JWK, JWTVerifyGetKey } from 'jose';
import type { JsonObject } from '../config/check-table.ts';

/** The public keys of one issuer. */
export interface KeySet {
  /**
   * Makes sure that there are keys, and tells which: whoever verified a token with keys of another
   * version has to verify it again. Throws `unavailable` where they cannot be read.
   */
  version(): Promise<number>;
  /** The one key that the header of a token names. Throws as jose, and as `version`. */
  readonly find: JWTVerifyGetKey;
}

/** Keys that are known, each of them without a problem (`publicKeyProblem`). */
export function localKeySet(keys: readonly JsonObject[]): KeySet {
  return { version: () => Promise.resolve(1), find: finder(keys) };
}

/** Finds a key by the `kid` of a token; where there is but one and it has none, that one. */
export function finder(keys: readonly JsonObject[]): JWTVerifyGetKey {
  // NOTE: jose looks at each of them again before it uses it.
  const find = createLocalJWKSet({ keys: keys as JWK[] });
  const [only] = keys;
  if (keys.length !== 1 || only?.['kid'] !== undefined) return find;
  return ({ kid: _, ...header }) => find(header);
}

/** Whether there is no key of that name, which may have been added since the keys were read. */
export function isUnknownKey(cause: unknown): boolean {
  return cause instanceof errors.JWKSNoMatchingKey;
}
