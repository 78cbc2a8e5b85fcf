import { hash as sha, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { Bucket, Change } from '../bucket/bucket.ts';
import type { LastChanges } from '../bucket/last-changes.ts';
import type { RecordKey, StoredRecord } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import { userData } from '../observability/user-data.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import type { Reader } from './access.ts';
import type { Account } from './accounts.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { Principals } from './principals.ts';

/**
 * Sessions stand for a user and its password: who sends the id need not send these. The bucket
 * keeps a SHA-256 of the id, so that who reads the bucket cannot take over a session. An ended
 * session's record stays until its expiry, so that ending it again is no error.
 */
export interface Session {
  readonly id: string;
  readonly user: string;
  /** Unix seconds. */
  readonly expires: number;
}

/** A session that holds, with its user. */
export interface ValidSession {
  readonly session: Session;
  /** Whether it got a new lifetime just now: its cookie should be sent anew. */
  readonly extended: boolean;
  readonly reader: Reader;
}

export interface SessionsOptions {
  readonly bucket: Bucket;
  readonly database: string;
  /** Whose sessions they are. */
  readonly principals: Pick<Principals, 'account' | 'accountAsOf'>;
  readonly clock: Clock;
  readonly log: Log;
}

const SESSION_TTL_SECS_DEFAULT = 24 * 3600;
const SESSION_TTL_SECS_MAX = 100 * 365 * 24 * 3600;

/** A session is extended when less than this part of its lifetime is left. */
const EXTEND_BELOW = 0.9;
const ID_BYTES = 20;
/** Longer ones are none of ours, and are not hashed. */
const ID_LENGTH_MAX = 200;

const schema = z.object({
  user: z.string(),
  ttl_secs: z.number(),
  /** Of the user's record: another one there means a new password or a new user of that name. */
  generation: z.string(),
  ended: z.boolean(),
});
type Stored = z.output<typeof schema>;

/** A session's record as it was read last. */
interface Known {
  readonly stored: Stored;
  readonly cas: Cas;
  /** Unix seconds. */
  readonly expiry: number;
  /** No record of the bucket changed since it was read, up to this one. */
  readonly asOf: Cas;
}

/** Sessions whose records are kept in memory, about 500 bytes each. */
const KNOWN_MAX = 20_000;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #log: Log;
  readonly #known = new BoundedCache<string, Known>(KNOWN_MAX);

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#log = options.log.with({ key: 'Auth' });
  }

  /**
   * A new session. Throws `missing` where there is no such user, `badRequest` for the guest, a
   * disabled user, and a lifetime that is not 1 s to a hundred years.
   */
  async create(user: string, ttlSecs = SESSION_TTL_SECS_DEFAULT): Promise<Session> {
    if (!Number.isInteger(ttlSecs) || ttlSecs < 1 || ttlSecs > SESSION_TTL_SECS_MAX) {
      throw new GatewayError('badRequest', 'ttl is a whole number of seconds, at least 1');
    }
    if (user === '' || user === 'GUEST') {
      throw new GatewayError('badRequest', 'the guest has no sessions');
    }
    const account = await this.#options.principals.account(user);
    if (account === undefined) throw new GatewayError('missing', `there is no user ${user}`);
    if (account.record.disabled) throw new GatewayError('badRequest', `${user} is disabled`);
    const id = randomBytes(ID_BYTES).toString('hex');
    const expires = this.#nowSecs() + ttlSecs;
    const generation = account.record.sessionGeneration;
    const stored: Stored = { user, ttl_secs: ttlSecs, generation, ended: false };
    await this.#options.bucket.commit(this.#changes(hashOf(id), stored, { expires }));
    this.#log.info?.('session created', { user: userData(user) });
    return { id, user, expires };
  }

  /**
   * The session of an id that a client sent, with its user as of now; extended where more than a
   * tenth of its lifetime has passed. Undefined where it is unknown, ended, expired, of a user that
   * is disabled or deleted, or older than the user's password.
   */
  verify(id: string): Awaitable<ValidSession | undefined> {
    const found = this.#find(id);
    if (found instanceof Promise) return found.then((known) => this.#valid(known));
    return this.#valid(found);
  }

  #valid(found: Found | undefined): Awaitable<ValidSession | undefined> {
    if (found === undefined || found.account.record.disabled) return undefined;
    const { session, stored } = found;
    const nowSecs = this.#nowSecs();
    if (session.expires - nowSecs < stored.ttl_secs * EXTEND_BELOW)
      return this.#extended(found, nowSecs + stored.ttl_secs);
    return { session, extended: false, reader: readerOf(found) };
  }

  async #extended(found: Found, expires: number): Promise<ValidSession> {
    const { session, stored, cas } = found;
    const extended = await this.#extend(hashOf(session.id), stored, { expires, cas });
    const now = extended ? { ...session, expires } : session;
    return { session: now, extended, reader: readerOf(found) };
  }

  /** For administrators: throws `missing` where it does not hold (but for a disabled user). */
  async get(id: string): Promise<Session> {
    const found = await this.#find(id);
    if (found === undefined) throw noSuchSession();
    return found.session;
  }

  /**
   * Ends a session; one that ended already is no error. Throws `missing` where there never was one,
   * it expired, or it is not the `user`'s.
   */
  async end(id: string, { user }: { readonly user?: string } = {}): Promise<void> {
    const hash = hashOf(id);
    const record = await this.#options.bucket.getRecord(this.#keyOf(hash));
    const stored = record && parse(record);
    if (record === undefined || stored === undefined) throw noSuchSession();
    if (user !== undefined && (stored.user !== user || stored.ended)) throw noSuchSession();
    if (stored.ended) return;
    await this.#options.bucket.commit(this.#endings([{ hash, record }]));
    this.#log.info?.('session ended', { user: userData(stored.user) });
  }

  /** Ends all sessions of a user, which need not exist. */
  async endAll(user: string): Promise<void> {
    const prefix = `${user}\n`;
    const range = { kind: 'user_session', database: this.#options.database };
    let after = prefix;
    for (;;) {
      const page = await this.#options.bucket.listRecords({
        ...range,
        after,
        limit: SESSIONS_PER_PAGE,
      });
      const own = page.filter(({ key }) => key.id.startsWith(prefix));
      const last = own.at(-1);
      if (last === undefined) return;
      after = last.key.id;
      await this.#endPage(own.map(({ key }) => key.id.slice(prefix.length)));
    }
  }

  async #endPage(hashes: readonly string[]): Promise<void> {
    const found: { hash: string; record: StoredRecord }[] = [];
    for (const hash of hashes) {
      const record = await this.#options.bucket.getRecord(this.#keyOf(hash));
      if (record !== undefined) found.push({ hash, record });
    }
    if (found.length > 0) await this.#options.bucket.commit(this.#endings(found));
  }

  /** At once where all of it is in memory, and still holds. */
  #find(id: string): Awaitable<Found | undefined> {
    if (id.length === 0 || id.length > ID_LENGTH_MAX) return undefined;
    const { bucket, database, principals } = this.#options;
    const changes = bucket.lastChanges(database);
    if (changes instanceof Promise) return this.#lookUp(id, changes);
    const known = this.#known.get(id);
    if (known?.asOf !== changes.records) return this.#lookUp(id, changes);
    const account = principals.accountAsOf(known.stored.user, changes.access);
    return account === undefined ? this.#lookUp(id, changes) : this.#held(id, known, account);
  }

  async #lookUp(id: string, asked: Awaitable<LastChanges>): Promise<Found | undefined> {
    const { principals } = this.#options;
    const changes = await asked;
    const remembered = this.#known.get(id);
    const known = remembered?.asOf === changes.records ? remembered : await this.#read(id, changes);
    if (known === undefined) return undefined;
    const { user } = known.stored;
    const account =
      principals.accountAsOf(user, changes.access) ?? (await principals.account(user));
    return account && this.#held(id, known, account);
  }

  /** Undefined where the session does not hold any more. */
  #held(id: string, known: Known, account: Account): Found | undefined {
    const { stored, cas, expiry: expires } = known;
    if (expires <= this.#nowSecs() || stored.ended) return undefined;
    if (account.record.sessionGeneration !== stored.generation) return undefined;
    return { session: { id, user: stored.user, expires }, stored, cas, account };
  }

  /**
   * The record of a session as it is now, for who could not take it from memory: there it is good
   * as long as no record at all was changed (by any process), which many requests can ask at the
   * price of one.
   */
  async #read(id: string, { records: asOf }: LastChanges): Promise<Known | undefined> {
    const known = this.#known.get(id);
    const record = await this.#options.bucket.getRecord(this.#keyOf(hashOf(id)));
    if (record === undefined) {
      this.#known.delete(id);
      return undefined;
    }
    const { cas, expiry } = record;
    const stored = known?.cas === cas ? known.stored : parse(record);
    const read = { stored, cas, expiry, asOf };
    this.#known.set(id, read);
    return read;
  }

  /** False where the session was changed at the same time, or cannot be written now. */
  async #extend(
    hash: string,
    stored: Stored,
    { expires, cas }: { readonly expires: number; readonly cas: Cas },
  ): Promise<boolean> {
    try {
      const changes = this.#changes(hash, stored, { expires, cas });
      const results = await this.#options.bucket.commit(changes);
      return results.every((result) => result.ok);
    } catch (error) {
      // NOTE: the request that came with it may be a mere read, which goes on.
      this.#log.warn('session not extended', { error });
      return false;
    }
  }

  /** The session's record, and that it is the user's. */
  #changes(
    hash: string,
    stored: Stored,
    { expires, cas }: { readonly expires: number; readonly cas?: Cas },
  ): readonly Change[] {
    const record = this.#keyOf(hash);
    return [
      {
        kind: 'record',
        record: this.#userKeyOf(stored.user, hash),
        ifRecord: { record, cas: cas ?? 'absent' },
        value: '{}',
        expiry: expires,
      },
      {
        kind: 'record',
        record,
        ifCas: cas ?? 'absent',
        value: JSON.stringify(stored),
        expiry: expires,
      },
    ];
  }

  #endings(found: readonly { readonly hash: string; readonly record: StoredRecord }[]): Change[] {
    return found.flatMap(({ hash, record }): Change[] => {
      const stored = parse(record);
      const value = JSON.stringify({ ...stored, ended: true } satisfies Stored);
      return [
        { kind: 'record', record: record.key, value, expiry: record.expiry },
        { kind: 'record', record: this.#userKeyOf(stored.user, hash), value: null, expiry: 0 },
      ];
    });
  }

  #keyOf(hash: string): RecordKey {
    return { kind: 'session', database: this.#options.database, id: hash };
  }

  #userKeyOf(user: string, hash: string): RecordKey {
    const id = `${user}\n${hash}`;
    return { kind: 'user_session', database: this.#options.database, id };
  }

  #nowSecs(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }
}

interface Found {
  readonly session: Session;
  readonly stored: Stored;
  readonly cas: Cas;
  readonly account: Account;
}

function readerOf({ account }: Found): Reader {
  return { kind: 'user', access: account.access };
}

/** Two changes for each. */
const SESSIONS_PER_PAGE = BATCH_MAX / 2;

function hashOf(id: string): string {
  return sha('sha256', id, 'hex');
}

function parse(record: StoredRecord): Stored {
  try {
    return schema.parse(JSON.parse(record.value));
  } catch (cause) {
    throw new GatewayError('corrupt', 'the stored record of a session is malformed', { cause });
  }
}

function noSuchSession(): GatewayError {
  return new GatewayError('missing', 'there is no such session');
}
