import { hostOf, isForbiddenAddress } from '../util/forbidden-address.ts';
import type { Findings } from './check-table.ts';
import type { JwtProviderConfig, LocalJwtConfig } from './jwt-options.ts';
import { isTooShort, publicKeyProblem } from './public-key.ts';
import { isLoopback } from './value-type.ts';

/** What a provider must have, that its keys are keys, and that no two take the same tokens. */
export function checkLocalJwt(config: LocalJwtConfig, { problems }: Findings): void {
  const known = new Map<string, string>();
  for (const [name, provider] of Object.entries(config)) {
    const path = `local_jwt.${name}`;
    const isTold = (property: string): boolean =>
      problems.some((told) => told.startsWith(`${path}.${property}:`));
    // NOTE: what is wrong counts as absent, and has been told once.
    const tell = (property: string, problem: string): void => {
      if (!isTold(property)) problems.push(`${path}.${property}: ${problem}`);
    };
    const { issuer, client_id: clientId, algorithms } = provider;
    if (issuer === undefined) tell('issuer', 'must be given');
    if (clientId === undefined)
      tell('client_id', 'must be given; it is "" for tokens of any audience');
    if (algorithms.length === 0) tell('algorithms', 'must name at least one');
    if (!isTold('keys') && !isTold('jwks_uri')) checkKeySource(provider, tell);
    checkKeys(provider, path, problems);
    const tokens = JSON.stringify([issuer, clientId]);
    const other = known.get(tokens);
    if (other !== undefined && issuer !== undefined)
      problems.push(`${path}: has the issuer and client_id of ${other}`);
    known.set(tokens, path);
  }
}

/** For the log: what is accepted, and weak. */
export function localJwtWarnings(config: LocalJwtConfig): readonly string[] {
  return Object.entries(config).flatMap(
    ([name, { keys, jwks_uri: uri, skip_expiry_check: skip }]) => {
      const path = `local_jwt.${name}`;
      const short = keys.flatMap((key, index) =>
        isTooShort(key)
          ? [`${path}.keys[${index}]: the RSA key is too short; nothing that it signs is let in`]
          : [],
      );
      const plain = uri !== undefined && isPlain(uri) ? [`${path}.jwks_uri: is not https`] : [];
      const forever = skip ? [`${path}: skip_expiry_check lets in tokens for ever`] : [];
      return [...short, ...plain, ...forever];
    },
  );
}

function checkKeySource(
  { keys, jwks_uri: uri }: JwtProviderConfig,
  tell: (property: string, problem: string) => void,
): void {
  if (keys.length === 0 && uri === undefined) tell('keys', 'must be given, or else jwks_uri');
  if (keys.length > 0 && uri !== undefined)
    tell('jwks_uri', 'is given beside keys; give one of the two');
  const host = uri === undefined ? '' : hostOf(new URL(uri));
  if (isForbiddenAddress(host))
    tell('jwks_uri', `names ${host}, a link-local address, which is never asked`);
}

function checkKeys(
  { keys, algorithms }: JwtProviderConfig,
  path: string,
  problems: string[],
): void {
  const kids = new Map<unknown, number>();
  for (const [index, key] of keys.entries()) {
    const at = `${path}.keys[${index}]`;
    const problem = algorithms.length === 0 ? undefined : publicKeyProblem(key, algorithms);
    if (problem !== undefined) problems.push(`${at}: ${problem}`);
    const { kid } = key;
    if (kid === undefined && keys.length > 1)
      problems.push(`${at}: kid must be given where there are several keys`);
    const other = kid === undefined ? undefined : kids.get(kid);
    if (other !== undefined) problems.push(`${at}: has the kid of keys[${other}]`);
    kids.set(kid, index);
  }
}

function isPlain(uri: string): boolean {
  const url = new URL(uri);
  return url.protocol === 'http:' && !isLoopback(hostOf(url));
}
