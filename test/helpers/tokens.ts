import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** For tests: who issues JSON Web Tokens, made by hand so that they may be wrong in any way. */
export interface Issuer {
  /** As `keys` of `local_jwt` takes it. */
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly publicKey: KeyObject;
  /** A token of these claims; `header` says what is otherwise in its head. */
  token(
    claims: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): string;
}

/** An issuer with an RSA key of so many bits, or with one of P-256. */
export function newIssuer(kid = 'k1', alg: 'RS256' | 'ES256' = 'RS256', bits = 2048): Issuer {
  const { publicKey, privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: bits })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    publicKey,
    token: (claims, header = {}) => {
      const signed = unsignedToken({ alg, kid, typ: 'JWT', ...header }, claims);
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
      return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
    },
  };
}

/** Head and claims, which are to be signed. */
export function unsignedToken(header: unknown, claims: unknown): string {
  return [header, claims].map((part) => base64url(JSON.stringify(part))).join('.');
}

export const base64url = (text: string): string => Buffer.from(text).toString('base64url');

/** Unix seconds, in that many seconds from now. */
export const inSecs = (secs: number): number => Math.floor(Date.now() / 1000) + secs;

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
