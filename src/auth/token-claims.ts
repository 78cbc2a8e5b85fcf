import type { JWTPayload } from 'jose';
import { isValidChannelName } from '../channels/channel-name.ts';
import { GUEST, isValidPrincipalName } from '../principals/principal-name.ts';
import type { TokenUser } from '../principals/token-user.ts';
import { GatewayError } from '../util/errors.ts';

/** Where a provider's tokens say who the user is and what it may have; `` for nowhere. */
export interface ClaimNames {
  readonly issuer: string;
  readonly usernameClaim: string;
  readonly userPrefix: string;
  readonly rolesClaim: string;
  readonly channelsClaim: string;
}

/** The most roles, or channels, of one token. */
const NAMES_MAX = 1000;

/** The user of a verified token. Throws `unauthorized`, with what is wrong in it for the log. */
export function tokenUser(payload: JWTPayload, names: ClaimNames): TokenUser {
  const name = userName(payload, names);
  if (name === GUEST || !isValidPrincipalName(name)) throw wrong('it names no valid user');
  const { email, iat } = payload;
  return {
    name,
    email: typeof email === 'string' ? email : undefined,
    claims: {
      issuer: names.issuer,
      roles: namesIn(payload, names.rolesClaim, isValidPrincipalName),
      channels: namesIn(payload, names.channelsClaim, isValidChannelName),
      issuedSecs: iat,
    },
  };
}

/**
 * As the reference documents it: PREFIX_CLAIM, where the prefix is by default the issuer, and the
 * claim `sub`; both are then URL-encoded. Another claim without a prefix is the name itself.
 */
function userName(payload: JWTPayload, { issuer, usernameClaim, userPrefix }: ClaimNames): string {
  if (usernameClaim === '') {
    const subject = textClaim(payload, 'sub');
    return `${userPrefix === '' ? urlEncoded(issuer) : userPrefix}_${urlEncoded(subject)}`;
  }
  const claimed = textClaim(payload, usernameClaim);
  return userPrefix === '' ? claimed : `${userPrefix}_${claimed}`;
}

function textClaim(payload: JWTPayload, claim: string): string {
  const value = claimOf(payload, claim);
  if (typeof value === 'string' && value !== '') return value;
  if (Number.isSafeInteger(value)) return String(value);
  throw wrong(`the claim ${claim} is no text`);
}

/** Sorted, each once; none where the claim is not there. */
function namesIn(
  payload: JWTPayload,
  claim: string,
  isValid: (name: string) => boolean,
): readonly string[] {
  const value = claim === '' ? undefined : claimOf(payload, claim);
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > NAMES_MAX) throw wrong(`the claim ${claim} has more than ${NAMES_MAX} names`);
  const found = list.map((each) => {
    if (typeof each === 'string' && isValid(each)) return each;
    throw wrong(`the claim ${claim} is no valid name, or list of such names`);
  });
  return [...new Set(found)].toSorted();
}

function claimOf(payload: JWTPayload, claim: string): unknown {
  return Object.hasOwn(payload, claim) ? payload[claim] : undefined;
}

/** What `encodeURIComponent` leaves alone and names of files or queries do not. */
function urlEncoded(text: string): string {
  if (!text.isWellFormed()) throw wrong('it names no valid user');
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function wrong(why: string): GatewayError {
  return new GatewayError('unauthorized', why);
}
