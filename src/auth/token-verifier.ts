import { hash } from 'node:crypto';
import { decodeJwt, errors } from 'jose';
import type { JWTPayload } from 'jose';
import { BoundedCache } from '../principals/bounded-cache.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import type { TokenProvider, VerifiedToken } from './token-provider.ts';

/** What a provider found of a token. */
export interface AcceptedToken extends VerifiedToken {
  readonly provider: TokenProvider;
}

interface Remembered extends AcceptedToken {
  readonly keysVersion: number;
}

/** In names of roles and channels, about 100 bytes each. */
const REMEMBERED_WEIGHT_MAX = 200_000;

/**
 * From a token to what it says, by the provider that issued it. Tokens that were found right are
 * remembered by their digest, because clients send them with each request, until they expire or the
 * provider has other keys.
 */
export class TokenVerifier {
  readonly #providers: readonly TokenProvider[];
  readonly #clock: Clock;
  readonly #remembered = new BoundedCache<string, Remembered>(REMEMBERED_WEIGHT_MAX);

  constructor(providers: readonly TokenProvider[], clock: Clock) {
    // Whoever names an audience comes before who takes any.
    this.#providers = providers.toSorted(
      (a, b) => Number(a.options.clientId === '') - Number(b.options.clientId === ''),
    );
    this.#clock = clock;
  }

  /**
   * Throws `unauthorized`, with a reason for the log alone, and `unavailable` where the keys cannot
   * be read.
   */
  async verify(token: string): Promise<AcceptedToken> {
    const digest = hash('sha256', token, 'base64');
    const remembered = this.#remembered.get(digest);
    if (remembered !== undefined && (await this.#isGood(remembered))) return remembered;
    const provider = this.#providerOf(token);
    const keysVersion = await provider.options.keys.version();
    const accepted = { provider, ...(await provider.verify(token, this.#clock.now())) };
    const { roles, channels } = accepted.user.claims;
    const weight = 2 + roles.length + channels.length;
    // NOTE: keys that were read meanwhile make it a memory of older ones, which is not used.
    this.#remembered.set(digest, { ...accepted, keysVersion }, weight);
    return accepted;
  }

  async #isGood({ provider, keysVersion, untilMs }: Remembered): Promise<boolean> {
    if (this.#clock.now() >= untilMs) return false;
    return (await provider.options.keys.version()) === keysVersion;
  }

  #providerOf(token: string): TokenProvider {
    const said = unverified(token);
    const provider = this.#providers.find((each) => each.isOf(said));
    if (provider !== undefined) return provider;
    throw new GatewayError('unauthorized', 'no provider has its issuer and audience');
  }
}

function unverified(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError)) throw cause;
    throw new GatewayError('unauthorized', 'it is no JSON Web Token', { cause });
  }
}
