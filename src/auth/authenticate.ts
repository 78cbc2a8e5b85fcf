import { authenticated } from '../observability/events.ts';
import type { Observer } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import type { Principals } from '../principals/principals.ts';
import type { Session, Sessions } from '../principals/sessions.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { parseBasicCredentials } from './basic-credentials.ts';
import { cookieValue } from './cookies.ts';

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
  /** `disable_password_auth`: sessions that administrators make are then the only way in. */
  readonly disablePasswordAuth: boolean;
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

  /** Throws `unauthorized`; `unavailable` where too many passwords wait to be verified. */
  authenticate(credentials: Credentials, signal?: AbortSignal): Promise<Identity> {
    return this.#byCredentials(credentials, signal) ?? this.#byNothing();
  }

  /** As `authenticate`, but undefined for who brings no credentials where there is no guest. */
  identify(credentials: Credentials, signal?: AbortSignal): Promise<Identity | undefined> {
    return this.#byCredentials(credentials, signal) ?? this.#guest();
  }

  /** Undefined where there are none. */
  #byCredentials(
    { authorization, cookie }: Credentials,
    signal: AbortSignal | undefined,
  ): Promise<Identity> | undefined {
    if (authorization !== undefined) return this.#byPassword(authorization, signal);
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
  async login(name: string, password: string, signal?: AbortSignal): Promise<Reader> {
    const startMs = this.#options.clock.now();
    const reader = this.#options.disablePasswordAuth
      ? undefined
      : await this.#options.principals.verifyPassword(name, password, signal);
    this.#tell(name, reader !== undefined, startMs);
    if (reader === undefined) throw wrongCredentials();
    return reader;
  }

  async #byPassword(authorization: string, signal: AbortSignal | undefined): Promise<Identity> {
    const credentials = parseBasicCredentials(authorization);
    if (credentials === undefined) {
      this.#tell('', false, this.#options.clock.now());
      throw wrongCredentials();
    }
    const { name, password } = credentials;
    return { by: 'password', reader: await this.login(name, password, signal) };
  }

  async #bySession(id: string): Promise<Identity> {
    const startMs = this.#options.clock.now();
    const valid = await this.#options.sessions.verify(id);
    this.#tell(valid?.session.user ?? '', valid !== undefined, startMs);
    if (valid === undefined) throw new GatewayError('unauthorized', 'the session is not valid');
    return { by: 'session', ...valid };
  }

  #tell(user: string, ok: boolean, startMs: number): void {
    const elapsedMs = this.#options.clock.now() - startMs;
    authenticated(this.#options.observer, { ok, user, elapsedMs });
  }
}

/** The same for a wrong name and a wrong password: who guesses learns nothing. */
function wrongCredentials(): GatewayError {
  return new GatewayError('unauthorized', 'invalid login');
}
