import { authenticated } from '../observability/events.ts';
import type { Observer } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import { auditedReader } from '../principals/audited-reader.ts';
import type { Principals } from '../principals/principals.ts';
import type { Session, Sessions, ValidSession } from '../principals/sessions.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { parseBasicCredentials } from './basic-credentials.ts';
import { bearerToken, isBearer } from './bearer-token.ts';
import { cookieValue } from './cookies.ts';
import type { TokenVerifier } from './token-verifier.ts';

/** The headers of a request that say who sends it. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
}

/** Who sends a request, and by what it is known. */
export type Identity =
  | { readonly by: 'guest'; readonly reader: Reader }
  | { readonly by: 'password'; readonly reader: Reader }
  | {
      readonly by: 'token';
      readonly reader: Reader;
      /** Whether it may have a session. */
      readonly sessions: boolean;
    }
  | {
      readonly by: 'session';
      readonly reader: Reader;
      readonly session: Session;
      /** Whether it just got a new lifetime: the answer should bring its cookie anew. */
      readonly extended: boolean;
    };

export interface AuthenticatorOptions {
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly cookieName: string;
  /** `disable_password_auth`: tokens, and sessions, are then the only ways in. */
  readonly disablePasswordAuth: boolean;
  readonly tokens: TokenVerifier;
  readonly observer: Observer;
  readonly clock: Clock;
}

/**
 * From the headers of a request on the public port to a user. An `Authorization` header decides
 * alone, then the session cookie, then the guest. Credentials that are there and wrong are an
 * error, also where the guest would be let in.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * At once for a session that is in memory. Rejects with `unauthorized`; `unavailable` where too
   * many passwords wait to be verified.
   */
  authenticate(credentials: Credentials, cancellation?: Cancellation): Awaitable<Identity> {
    return this.#byCredentials(credentials, cancellation) ?? this.#byNothing();
  }

  /** As `authenticate`, but undefined for who brings no credentials where there is no guest. */
  identify(credentials: Credentials, cancellation?: Cancellation): Awaitable<Identity | undefined> {
    return this.#byCredentials(credentials, cancellation) ?? this.#guest();
  }

  /** Undefined where there are none. */
  #byCredentials(
    { authorization, cookie }: Credentials,
    cancellation: Cancellation | undefined,
  ): Awaitable<Identity> | undefined {
    if (authorization !== undefined)
      return isBearer(authorization)
        ? this.#byToken(authorization)
        : this.#byPassword(authorization, cancellation);
    const id = cookie && cookieValue(cookie, this.#options.cookieName);
    return id ? this.#bySession(id) : undefined;
  }

  async #byNothing(): Promise<Identity> {
    const guest = await this.#guest();
    if (guest === undefined) throw new GatewayError('unauthorized', 'login is required');
    return guest;
  }

  async #guest(): Promise<Identity | undefined> {
    const guest = await this.#options.principals.account('');
    if (guest === undefined || guest.record.disabled) return undefined;
    return { by: 'guest', reader: { kind: 'user', access: guest.access } };
  }

  /** For `POST _session`. Throws as `authenticate`. */
  login(name: string, password: string, cancellation?: Cancellation): Promise<Reader> {
    return this.#verify({ name, password }, 'login', cancellation);
  }

  async #verify(
    { name, password }: { readonly name: string; readonly password: string },
    by: 'basic' | 'login',
    cancellation: Cancellation | undefined,
  ): Promise<Reader> {
    const startMs = this.#options.clock.now();
    const reader = this.#options.disablePasswordAuth
      ? undefined
      : await this.#options.principals.verifyPassword(name, password, cancellation?.signal);
    this.#tell({ user: name, by, startMs, reader });
    if (reader === undefined) throw wrongCredentials();
    return reader;
  }

  async #byPassword(
    authorization: string,
    cancellation: Cancellation | undefined,
  ): Promise<Identity> {
    const credentials = parseBasicCredentials(authorization);
    if (credentials === undefined) {
      const startMs = this.#options.clock.now();
      this.#tell({ user: '', by: 'basic', startMs, reader: undefined });
      throw wrongCredentials();
    }
    return { by: 'password', reader: await this.#verify(credentials, 'basic', cancellation) };
  }

  async #byToken(authorization: string): Promise<Identity> {
    const startMs = this.#options.clock.now();
    let user = '';
    try {
      const token = bearerToken(authorization);
      if (token === undefined) throw refused('it is no JSON Web Token, or too long');
      const { user: told, provider } = await this.#options.tokens.verify(token);
      user = told.name;
      const { register, sessions } = provider.options;
      const found = { register, nowMs: startMs };
      const reader = await this.#options.principals.tokenReader(told, found);
      if (reader === undefined) throw refused('there is no such user, or it is disabled');
      this.#tell({ user, by: 'jwt', startMs, reader });
      return { by: 'token', reader, sessions };
    } catch (cause) {
      if (!isGatewayError(cause, 'unauthorized', 'unavailable')) throw cause;
      this.#tell({ user, by: 'jwt', startMs, reader: undefined, why: cause.message });
      // NOTE: who guesses learns nothing; the log has the reason.
      throw cause.tag === 'unauthorized' ? wrongCredentials() : cause;
    }
  }

  #bySession(id: string): Awaitable<Identity> {
    const startMs = this.#options.clock.now();
    const valid = this.#options.sessions.verify(id);
    if (valid instanceof Promise) return valid.then((known) => this.#ofSession(known, startMs));
    return this.#ofSession(valid, startMs);
  }

  #ofSession(valid: ValidSession | undefined, startMs: number): Awaitable<Identity> {
    const user = valid?.session.user ?? '';
    this.#tell({ user, by: 'session', startMs, reader: valid?.reader });
    if (valid === undefined)
      return Promise.reject(new GatewayError('unauthorized', 'the session is not valid'));
    const { session, extended, reader } = valid;
    return { by: 'session', session, extended, reader };
  }

  #tell({ user, by, startMs, reader, why }: Attempt): void {
    const { observer, clock } = this.#options;
    const elapsedMs = clock.now() - startMs;
    const isAudited = reader !== undefined && observer.audit !== undefined;
    const sender = isAudited ? auditedReader(reader) : undefined;
    authenticated(observer, { ok: reader !== undefined, user, elapsedMs, by, sender, why });
  }
}

interface Attempt {
  /** As it is named. */
  readonly user: string;
  readonly by: 'basic' | 'login' | 'session' | 'jwt';
  readonly startMs: number;
  /** Undefined where it is refused. */
  readonly reader: Reader | undefined;
  /** Why it is refused, where that is more than "wrong". */
  readonly why?: string;
}

const refused = (why: string): GatewayError => new GatewayError('unauthorized', why);

/** The same for a wrong name and a wrong password: who guesses learns nothing. */
function wrongCredentials(): GatewayError {
  return new GatewayError('unauthorized', 'invalid login');
}
