import { hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt';
import { createHmac, randomBytes } from 'node:crypto';
import { GatewayError } from '../util/errors.ts';
import { BoundedCache } from './bounded-cache.ts';
import { WorkLimit } from './work-limit.ts';

export interface PasswordOptions {
  /** bcrypt's cost, 10 to 31: one more doubles the time. 10 costs about 50 ms of a core. */
  readonly cost: number;
  /** How many bcrypt runs at a time. They share libuv's four threads with the file system. */
  readonly runningMax?: number;
  /** How many more may wait before a login is told to come back later. */
  readonly waitingMax?: number;
  /** How many successful verifications are remembered. */
  readonly rememberedMax?: number;
}

const PASSWORD_LENGTH_MIN = 3;

/** bcrypt looks at no byte past this one, so longer passwords are refused, not cut. */
const PASSWORD_BYTES_MAX = 72;

const RUNNING_MAX = 2;
const WAITING_MAX = 500;
const REMEMBERED_MAX = 10_000;

/** Throws `badRequest` where it is too short or too long. */
export function checkPassword(password: string): void {
  if (password.length < PASSWORD_LENGTH_MIN) {
    throw new GatewayError(
      'badRequest',
      `a password has at least ${PASSWORD_LENGTH_MIN} characters`,
    );
  }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw new GatewayError('badRequest', `a password has at most ${PASSWORD_BYTES_MAX} bytes`);
  }
}

/**
 * Hashes and verifies passwords, off the main thread. One for a process. It remembers
 * verifications that succeeded, because clients of Basic authentication send their password with
 * each request; the key is made of password and stored hash, so that a memory never outlives a
 * change of either, and of a secret of this process, so that it cannot be tried out elsewhere.
 */
export class Passwords {
  readonly #cost: number;
  readonly #limit: WorkLimit;
  readonly #remembered: BoundedCache<string, true>;
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #secret = randomBytes(32);
  /** What nobody's password gives: its verification takes as long as a real one. */
  readonly #nobody: string;

  constructor(options: PasswordOptions) {
    this.#cost = options.cost;
    this.#limit = new WorkLimit({
      runningMax: options.runningMax ?? RUNNING_MAX,
      waitingMax: options.waitingMax ?? WAITING_MAX,
    });
    this.#remembered = new BoundedCache(options.rememberedMax ?? REMEMBERED_MAX);
    this.#nobody = `$2b$${String(options.cost).padStart(2, '0')}$${'.'.repeat(53)}`;
  }

  /** The text to store for who has no password and comes by tokens: no password gives it. */
  get unmatchable(): string {
    return this.#nobody;
  }

  /** The text to store for a password. Throws `badRequest` where it is too short or too long. */
  async hash(password: string, signal?: AbortSignal): Promise<string> {
    checkPassword(password);
    return this.#limit.run(() => bcryptHash(password, this.#cost), signal);
  }

  /**
   * Whether the password gives the stored hash. Without a hash (no such user, or one without a
   * password) the answer is no, after as much work as with one, so that time does not tell names.
   * Throws `unavailable` where too many wait.
   */
  async verify(
    password: string,
    stored: string | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const hash = stored ?? this.#nobody;
    const key = this.#key(password, hash);
    if (stored !== undefined && this.#remembered.get(key) === true) return true;
    // NOTE: a client opens many connections at once; they share one run, which then no single
    // client may abort.
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#limit.run(() => bcryptVerify(password, hash));
      this.#running.set(key, running);
      const done = () => this.#running.delete(key);
      running.then(done, done);
    }
    const right = await untilAborted(running, signal);
    if (!right || stored === undefined) return false;
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
    this.#remembered.set(key, true);
    return true;
  }

  #key(password: string, hash: string): string {
    return createHmac('sha256', this.#secret)
      .update(hash)
      .update('\0')
      .update(password)
      .digest('base64');
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
