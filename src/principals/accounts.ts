import type { Bucket, PrincipalKey } from '../bucket/bucket.ts';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { Sequence } from '../document/types.ts';
import { ZERO } from '../document/types.ts';
import { must } from '../util/assert.ts';
import type { UserAccess } from './access.ts';
import { accessPrecondition } from './access.ts';
import { BoundedCache } from './bounded-cache.ts';
import { effectiveAccess } from './effective-access.ts';
import { userKey } from './principal-name.ts';
import { parseUserRecord } from './principal-record.ts';
import type { UserRecord } from './principal-record.ts';

/** A user as requests meet it. */
export interface Account {
  readonly record: UserRecord;
  readonly access: UserAccess;
}

interface Cached {
  /** Undefined where there is no such user: asked for often too, by whom guesses names. */
  readonly account: Account | undefined;
  readonly principals: readonly PrincipalKey[];
  readonly version: Sequence;
  /** Nothing of it changed up to here. */
  readonly asOf: Sequence;
  /** In grants, for the limit of the cache. */
  readonly weight: number;
}

/** In grants, about 100 bytes each. */
const CACHE_WEIGHT_MAX = 500_000;

/**
 * The users of one database, computed from their grants and kept in memory, but never believed
 * unasked: each `get` asks the bucket whether a grant changed (by any process), first of anyone,
 * and only if so of this user and its roles. So what it returns holds at a moment after the call.
 */
export class Accounts {
  readonly #bucket: Bucket;
  readonly #database: string;
  readonly #cache: BoundedCache<string, Cached>;

  constructor(bucket: Bucket, database: string, { weightMax = CACHE_WEIGHT_MAX } = {}) {
    this.#bucket = bucket;
    this.#database = database;
    this.#cache = new BoundedCache(weightMax);
  }

  /** `` for the guest; undefined where there is no such user. Throws `corrupt`, `unavailable`. */
  async get(name: string): Promise<Account | undefined> {
    const cached = this.#cache.get(name);
    if (cached === undefined) return this.#load(name);
    const changed = await this.#bucket.lastAccessChange(this.#database);
    if (changed <= cached.asOf) return cached.account;
    // NOTE: asked after `changed`, so an unchanged version vouches for everything up to it.
    if ((await this.#version(cached.principals)) > cached.version) return this.#load(name);
    const account = cached.account && {
      record: cached.account.record,
      access: { ...cached.account.access, asOf: changed },
    };
    this.#keep(name, { ...cached, account, asOf: changed });
    return account;
  }

  /**
   * The user as it is in memory, where that still holds while `lastAccessChange` of the database is
   * `access`; undefined where it has to be asked for.
   */
  asOf(name: string, access: Sequence): Account | undefined {
    const cached = this.#cache.get(name);
    return cached !== undefined && access <= cached.asOf ? cached.account : undefined;
  }

  async #version(principals: readonly PrincipalKey[]): Promise<Sequence> {
    let version = ZERO;
    for (let i = 0; i < principals.length; i += BATCH_MAX) {
      const some = principals.slice(i, i + BATCH_MAX);
      const changed = await this.#bucket.lastAccessChange(this.#database, some);
      if (changed > version) version = changed;
    }
    return version;
  }

  async #load(name: string): Promise<Account | undefined> {
    const snapshot = await this.#bucket.readAccess(this.#database, userKey(name));
    const stored = must(snapshot.principals[0], 'a snapshot begins with the principal asked for');
    const { asOf } = snapshot;
    if (stored.record === undefined) {
      const { principal, accessVersion: version } = stored;
      const principals = [principal];
      this.#keep(name, { account: undefined, principals, version, asOf, weight: 1 });
      return undefined;
    }
    const record = parseUserRecord(stored.record.value);
    const access = effectiveAccess(snapshot, { historyFrom: record.historyFrom });
    const { principals } = accessPrecondition(this.#database, access);
    const account = { record, access };
    const weight = snapshot.principals.reduce((sum, p) => sum + p.grants.length, 1);
    this.#keep(name, { account, principals, version: access.version, asOf, weight });
    return account;
  }

  /** Loads overlap: the older one must not replace the newer. */
  #keep(name: string, loaded: Cached): void {
    const known = this.#cache.get(name);
    if (known === undefined || known.asOf <= loaded.asOf) {
      this.#cache.set(name, loaded, loaded.weight);
    }
  }
}
