import type { JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { JsonObject } from '../config/check-table.ts';
import type { JwtAlgorithm } from '../config/jwt-options.ts';
import { publicKeyProblem } from '../config/public-key.ts';
import type { Observer } from '../observability/events.ts';
import { keysNotRead, keysRead } from '../observability/token-events.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import { finder, isUnknownKey } from './key-set.ts';
import type { KeySet } from './key-set.ts';

export interface RemoteKeySetOptions {
  /** `jwks_uri`. */
  readonly url: string;
  /** Keys for others are passed over. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly outgoing: OutgoingRequests;
  readonly clock: Clock;
  /** The provider's name in the configuration, for the log. */
  readonly provider: string;
  readonly observer: Observer;
}

/** Older keys are used on, while they are read anew beside. */
const FRESH_MS = 10 * 60_000;
/** Keys that could not be read anew for so long are used no more. */
const KEPT_MS = 24 * 3_600_000;
const TIMEOUT_MS = 10_000;
const BYTES_MAX = 262_144;
const KEYS_MAX = 100;
/** After a read that failed, or brought not the key that was wanted; twice as long each time. */
const PAUSE_MS_MIN = 1000;
const PAUSE_MS_MAX = 60_000;
/** What a server answers that has them. */
const OK = 200;

const schema = z.object({ keys: z.array(z.unknown()) });

/**
 * The keys at a URL, read when a token first needs them. They are read again when they are old, and
 * when a token names a key that is not among them; reads that are of no use become rare, so that
 * made-up tokens do not become requests to the issuer.
 */
export class RemoteKeySet implements KeySet, Disposable {
  readonly #options: RemoteKeySetOptions;
  readonly #stop = new AbortController();
  #known: Known | undefined;
  #reading: Promise<void> | undefined;
  #pauseMs = 0;
  /** Before that, nothing is asked for. */
  #nextMs = 0;

  constructor(options: RemoteKeySetOptions) {
    this.#options = options;
  }

  /** See `KeySet`. Waits only where there are no keys. */
  async version(): Promise<number> {
    const ageMs = this.#options.clock.now() - (this.#known?.readMs ?? -Infinity);
    if (ageMs >= FRESH_MS && this.#mayRead()) {
      const reading = this.#read();
      if (ageMs >= KEPT_MS) await reading;
    } else if (ageMs >= KEPT_MS) await this.#reading;
    return this.#usable().version;
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    await this.version();
    const { version, find } = this.#usable();
    try {
      return await find(header, token);
    } catch (cause) {
      if (!isUnknownKey(cause) || !this.#mayRead()) throw cause;
    }
    // NOTE: another token may have had them read meanwhile.
    if (this.#known?.version === version) await this.#read();
    try {
      const key = await this.#usable().find(header, token);
      this.#pauseMs = 0;
      this.#nextMs = 0;
      return key;
    } catch (cause) {
      this.#backOff();
      throw cause;
    }
  };

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  #usable(): Known {
    const known = this.#known;
    if (known !== undefined && this.#options.clock.now() - known.readMs < KEPT_MS) return known;
    throw new GatewayError(
      'unavailable',
      'the keys of those who issue these tokens cannot be read, try again later',
    );
  }

  #mayRead(): boolean {
    return this.#reading !== undefined || this.#options.clock.now() >= this.#nextMs;
  }

  /** One at a time; never rejects. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { provider, observer, clock } = this.#options;
    try {
      const keys = await this.#fetch();
      const text = JSON.stringify(keys);
      const before = this.#known;
      const readMs = clock.now();
      if (before?.text === text) {
        this.#known = { ...before, readMs };
        return;
      }
      const version = (before?.version ?? 0) + 1;
      this.#known = { version, text, readMs, find: finder(keys) };
      keysRead(observer, { provider, count: keys.length });
    } catch (cause) {
      this.#backOff();
      if (this.#stop.signal.aborted) return;
      const why = cause instanceof Error ? cause.message : String(cause);
      keysNotRead(observer, { provider, why });
    }
  }

  async #fetch(): Promise<readonly JsonObject[]> {
    const { url, algorithms, outgoing } = this.#options;
    const limits = { timeoutMs: TIMEOUT_MS, bodyMsMax: TIMEOUT_MS, answerBytesMax: BYTES_MAX };
    const headers = { Accept: 'application/json' };
    const request = { method: 'GET', url, headers, ...limits } as const;
    const { code, text, isWhole } = await outgoing.send(request, this.#stop.signal);
    if (code !== OK) throw new GatewayError('unavailable', `it answered ${code}`);
    if (!isWhole)
      throw new GatewayError('unavailable', `its answer did not end within ${BYTES_MAX} bytes`);
    return usableKeys(text, algorithms);
  }

  /** Once for all who waited for the same read. */
  #backOff(): void {
    const nowMs = this.#options.clock.now();
    if (nowMs < this.#nextMs) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, this.#pauseMs * 2));
    this.#pauseMs = pauseMs;
    this.#nextMs = nowMs + pauseMs;
  }
}

interface Known {
  readonly version: number;
  readonly text: string;
  readonly readMs: number;
  readonly find: JWTVerifyGetKey;
}

/** Keys of other purposes stand in such sets too. Throws `unavailable` where it is none. */
function usableKeys(text: string, algorithms: readonly JwtAlgorithm[]): readonly JsonObject[] {
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) throw new GatewayError('unavailable', 'it is no JSON Web Key Set');
  return parsed.data.keys
    .slice(0, KEYS_MAX)
    .filter(
      (key): key is JsonObject =>
        z.record(z.string(), z.unknown()).safeParse(key).success &&
        publicKeyProblem(key as JsonObject, algorithms) === undefined,
    );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told as what it is not
  }
}
