import { errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import type { JwtAlgorithm } from '../config/jwt-options.ts';
import type { TokenUser } from '../principals/token-user.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { KeySet } from './key-set.ts';
import type { ClaimNames } from './token-claims.ts';
import { tokenUser } from './token-claims.ts';

/** Who issues tokens, and how they are taken. */
export interface ProviderOptions extends ClaimNames {
  /** What `aud` is or has; `` for anything. */
  readonly clientId: string;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly keys: KeySet;
  /** Whether users are made when they first come. */
  readonly register: boolean;
  /** Whether its tokens make sessions. */
  readonly sessions: boolean;
  readonly skipExpiryCheck: boolean;
}

/** What a token says, and holds until when. */
export interface VerifiedToken {
  readonly user: TokenUser;
  /** Milliseconds since 1970; Infinity where its expiry counts not. */
  readonly untilMs: number;
}

/** By how much clocks of issuers may differ from ours. */
const TOLERANCE_SECS = 5;
/** What jose says of a token may have parts of it in it. */
const WHY_LENGTH_MAX = 200;

export class TokenProvider {
  readonly options: ProviderOptions;

  constructor(options: ProviderOptions) {
    this.options = options;
  }

  /** Whether a token that says this of itself, as yet unverified, is one of this provider's. */
  isOf({ iss, aud }: JWTPayload): boolean {
    const { issuer, clientId } = this.options;
    if (iss !== issuer) return false;
    return clientId === '' || (Array.isArray(aud) ? aud.includes(clientId) : aud === clientId);
  }

  /**
   * Throws `unauthorized` for everything that is wrong with a token, with a reason for the log, and
   * `unavailable` where the keys cannot be read.
   */
  async verify(token: string, nowMs: number): Promise<VerifiedToken> {
    const payload = await this.#payload(token, nowMs);
    const { exp } = payload;
    const isForEver = this.options.skipExpiryCheck || exp === undefined;
    return {
      user: tokenUser(payload, this.options),
      untilMs: isForEver ? Infinity : (exp + TOLERANCE_SECS) * 1000,
    };
  }

  async #payload(token: string, nowMs: number): Promise<JWTPayload> {
    const { issuer, clientId, algorithms, keys, skipExpiryCheck } = this.options;
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        algorithms: [...algorithms],
        issuer,
        ...(clientId === '' ? {} : { audience: clientId }),
        requiredClaims: skipExpiryCheck ? [] : ['exp'],
        clockTolerance: TOLERANCE_SECS,
        currentDate: new Date(nowMs),
      });
      return payload;
    } catch (cause) {
      // NOTE: jose looks at the signature and at all other claims before it says that.
      if (skipExpiryCheck && cause instanceof errors.JWTExpired) return cause.payload;
      if (isGatewayError(cause)) throw cause;
      if (!isOfToken(cause)) throw cause;
      throw new GatewayError('unauthorized', cause.message.slice(0, WHY_LENGTH_MAX), { cause });
    }
  }
}

/** The last two are said of keys: too short, or of another kind than the token says. */
function isOfToken(cause: unknown): cause is Error {
  return (
    cause instanceof errors.JOSEError || cause instanceof TypeError || cause instanceof DOMException
  );
}
