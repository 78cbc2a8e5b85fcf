import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import type { Sequence } from '../document/types.ts';
import type { Log } from '../observability/log.ts';
import { userData } from '../observability/user-data.ts';
import { must } from '../util/assert.ts';
import { GatewayError } from '../util/errors.ts';
import type { Reader, UserAccess } from './access.ts';
import type { Account } from './accounts.ts';
import { Accounts } from './accounts.ts';
import { grantable, roleGrants, userGrants } from './administrator-grants.ts';
import { effectiveAccess, ownChannels } from './effective-access.ts';
import type { ExplainedPrincipal, PrincipalReasons, Subject } from './explained-principal.ts';
import { explainedPrincipal, principalReasons } from './explained-principal.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { GuestConfig } from './guest.ts';
import { changedGuest, GUEST_ABSENT } from './guest.ts';
import type { Passwords } from './passwords.ts';
import type { PrincipalInput, UserInput } from './principal-input.ts';
import { parseRoleInput, parseUserInput } from './principal-input.ts';
import { GUEST, isValidPrincipalName, nameOf, roleKey, userKey } from './principal-name.ts';
import {
  formatRoleRecord,
  formatUserRecord,
  parseRoleRecord,
  parseUserRecord,
} from './principal-record.ts';
import { PrincipalStore } from './principal-store.ts';
import type { PrincipalState } from './principal-store.ts';
import type { Collections, RoleView, UserView } from './principal-view.ts';
import { roleView, userView } from './principal-view.ts';
import type { TokenUser } from './token-user.ts';
import { claimedGrants, isNews, registeredUser, withClaims } from './token-user.ts';
import type { NewPassword } from './user-change.ts';
import { changedChannels, changedUser, newUser } from './user-change.ts';

export interface PrincipalsOptions {
  readonly bucket: Bucket;
  readonly database: string;
  /** The collections that the database serves, by `scope.collection`. */
  readonly collections: Collections;
  /** `_default._default`, served or not. */
  readonly defaultCollection: CollectionId;
  /** One for the process. */
  readonly passwords: Passwords;
  readonly log: Log;
  readonly allowEmptyPassword: boolean;
}

/** About 100 bytes each; one that is forgotten costs a look into the bucket. */
const CLAIMED_MAX = 20_000;

export interface UserSummary {
  readonly name: string;
  readonly email: string;
  readonly disabled: boolean;
}

/**
 * Users, roles and the guest of one database. Names are those of the REST API, so the guest is
 * `GUEST`, except where a Reader is concerned. What administrators send is `unknown` here and is
 * checked here. Everything throws `unavailable` and `corrupt` as the bucket does.
 */
export class Principals {
  readonly #options: PrincipalsOptions;
  readonly #store: PrincipalStore;
  readonly #accounts: Accounts;
  readonly #log: Log;
  /** Where grants of administrators may be. */
  readonly #grantable: Collections;
  /** Users whose tokens gave them what they claim since the database was opened. */
  readonly #claimed = new BoundedCache<string, true>(CLAIMED_MAX);

  constructor(options: PrincipalsOptions) {
    this.#options = options;
    this.#grantable = grantable(options.collections, options.defaultCollection);
    this.#store = new PrincipalStore(options.bucket, options.database);
    this.#accounts = new Accounts(options.bucket, options.database);
    this.#log = options.log.with({ key: 'Auth' });
  }

  /** A user (`` for the guest) as it is now, disabled or not; undefined where there is none. */
  account(name: string): Promise<Account | undefined> {
    return this.#accounts.get(name);
  }

  /** As `account`, for who knows `lastAccessChange`: undefined where the bucket has to be asked. */
  accountAsOf(name: string, access: Sequence): Account | undefined {
    return this.#accounts.asOf(name, access);
  }

  /**
   * A user (`` for the guest) with what it may read now. Throws `unauthorized` where there is none,
   * or it is disabled.
   */
  async reader(name: string): Promise<Reader> {
    return { kind: 'user', access: await this.access(name) };
  }

  /** As `reader`. */
  async access(name: string): Promise<UserAccess> {
    const account = await this.#accounts.get(name);
    if (account === undefined || account.record.disabled) {
      throw new GatewayError('unauthorized', 'login is required');
    }
    return account.access;
  }

  /**
   * The user of this name and password; undefined where there is none such, it is disabled, or the
   * password is wrong: which of them, not even the time that it takes tells.
   */
  async verifyPassword(
    name: string,
    password: string,
    signal?: AbortSignal,
  ): Promise<Reader | undefined> {
    const hash = await this.#passwordHash(name);
    let isRight = await this.#options.passwords.verify(password, hash.text, signal);
    if (hash.isEmpty && password === '') isRight = this.#options.allowEmptyPassword;
    // NOTE: asked again, because the user may have been changed during the work.
    const account = isRight ? await this.#accounts.get(name) : undefined;
    if (account === undefined || account.record.disabled) return undefined;
    if (account.record.passwordHash !== hash.text) return undefined;
    return { kind: 'user', access: account.access };
  }

  /**
   * The user of whom a verified token tells, with what it claims from now on; made where it is to
   * be registered. Undefined where there is none, or it is disabled.
   */
  async tokenReader(
    user: TokenUser,
    { register, nowMs }: { readonly register: boolean; readonly nowMs: number },
  ): Promise<Reader | undefined> {
    const known = await this.#accounts.get(user.name);
    if (known?.record.disabled === true || (known === undefined && !register)) return undefined;
    const isOld = known !== undefined && !isNews(known.record.claims, user.claims);
    // NOTE: once after each opening too: the collections may be others.
    if (isOld && this.#claimed.get(user.name) === true)
      return { kind: 'user', access: known.access };
    await this.#claim(user, { register, nowMs });
    this.#claimed.set(user.name, true);
    const account = await this.#accounts.get(user.name);
    if (account === undefined || account.record.disabled) return undefined;
    return { kind: 'user', access: account.access };
  }

  async #claim(
    user: TokenUser,
    { register, nowMs }: { readonly register: boolean; readonly nowMs: number },
  ): Promise<void> {
    const { passwords, collections } = this.#options;
    const { value: before } = await this.#store.change(
      userKey(user.name),
      ({ value, given, asOf }) => {
        if (value === undefined && !register) return { value: null, grants: given };
        const old =
          value === undefined
            ? registeredUser(user, { asOf, passwordHash: passwords.unmatchable })
            : parseUserRecord(value);
        const record = withClaims(old, user, { nowMs });
        const claimed = claimedGrants(user.name, record, collections);
        return { value: formatUserRecord(record), grants: given, claimed };
      },
    );
    if (before === undefined && register)
      this.#log.info?.('user registered', { user: userData(user.name) });
  }

  async #passwordHash(name: string): Promise<{ text: string | undefined; isEmpty: boolean }> {
    // NOTE: the guest has no name and no password, so `:` is nobody's credentials.
    const account = name === '' ? undefined : await this.#accounts.get(name);
    const text = account?.record.passwordHash;
    return { text, isEmpty: account !== undefined && text === undefined };
  }

  /** Channels given to the user itself, not by roles, in the default collection: `userCtx`. */
  async sessionChannels(name: string): Promise<ReadonlyMap<string, Sequence>> {
    const snapshot = await this.#store.read(userKey(name));
    const user = must(snapshot.principals[0], 'a snapshot begins with the principal asked for');
    return ownChannels(user, this.#options.collections.get(DEFAULT_COLLECTION));
  }

  /** As `explainedPrincipal`. */
  explained(subject: Subject): Promise<ExplainedPrincipal> {
    return explainedPrincipal(this.#store, subject);
  }

  /** What it has now, each with the reasons. Throws `missing`. */
  async reasons(subject: Subject): Promise<PrincipalReasons> {
    return principalReasons(await this.explained(subject), this.#options.collections);
  }

  /** The collections that the database serves, by `scope.collection`. */
  get collections(): Collections {
    return this.#options.collections;
  }

  /** Throws `missing`. */
  async getUser(name: string): Promise<UserView> {
    const snapshot = await this.#store.read(userKey(innerName(name)));
    const value = snapshot.principals[0]?.record?.value;
    if (value === undefined) {
      if (name === GUEST) return GUEST_ABSENT;
      throw noSuchUser(name);
    }
    const record = parseUserRecord(value);
    const { historyFrom } = record;
    const access = effectiveAccess(snapshot, { historyFrom });
    return userView(name, record, { access, collections: this.#options.collections });
  }

  /**
   * Creates or changes a user; what is not named stays. Throws `badRequest` that tells what is
   * wrong, `missing` for an unknown collection.
   */
  async putUser(name: string, value: unknown): Promise<{ readonly created: boolean }> {
    const input = parseUserInput(value);
    if (name !== GUEST) checkName(name, input);
    else if (input.name !== '') checkSameName(name, input);
    return this.#putUser(name, input, { mustBeNew: false });
  }

  /** Creates the user that the input names. Throws as `putUser`, and `conflict` where it exists. */
  async postUser(value: unknown): Promise<{ readonly name: string }> {
    const input = parseUserInput(value);
    const { name } = input;
    if (name === undefined) throw new GatewayError('badRequest', 'name is missing');
    if (name === '' || name === GUEST) throw new GatewayError('conflict', 'the guest exists');
    checkName(name, input);
    await this.#putUser(name, input, { mustBeNew: true });
    return { name };
  }

  async #putUser(
    name: string,
    input: UserInput,
    { mustBeNew }: { readonly mustBeNew: boolean },
  ): Promise<{ readonly created: boolean }> {
    this.#checkCollections(input);
    const isGuest = name === GUEST;
    const password = isGuest ? undefined : await this.#newPassword(input.password);
    const key = userKey(innerName(name));
    const before = await this.#store.change(key, ({ value, given, asOf }) => {
      if (value !== undefined && mustBeNew) throw new GatewayError('conflict', `${name} exists`);
      if (value === undefined && password === undefined && !isGuest) this.#needNoPassword();
      const old = value === undefined ? newUser(asOf) : parseUserRecord(value);
      // NOTE: opening a database to strangers takes saying so: the guest begins disabled.
      const start = value === undefined && isGuest ? { ...old, disabled: true } : old;
      const record = changedUser(start, input, password);
      const grants = userGrants(key, record, { collections: this.#grantable, given });
      return { value: formatUserRecord(record), grants };
    });
    this.#log.info?.('user changed', { user: userData(name) });
    return { created: before.value === undefined && !isGuest };
  }

  async #newPassword(password: string | undefined): Promise<NewPassword | undefined> {
    if (password === undefined) return undefined;
    if (password !== '') return { hash: await this.#options.passwords.hash(password) };
    this.#needNoPassword();
    return { hash: undefined };
  }

  #needNoPassword(): void {
    if (this.#options.allowEmptyPassword) return;
    throw new GatewayError('badRequest', 'a password is required');
  }

  /** Ends its grants too. Throws `missing`, and `methodNotAllowed` for the guest. */
  async deleteUser(name: string): Promise<void> {
    if (name === GUEST) {
      throw new GatewayError('methodNotAllowed', 'the guest cannot be deleted, only disabled');
    }
    await this.#store.change(userKey(name), ({ value }) => {
      if (value === undefined) throw noSuchUser(name);
      return { value: null, grants: [], claimed: { issuer: '', grants: [] } };
    });
    this.#log.info?.('user deleted', { user: userData(name) });
  }

  /** All but the guest, by name; the first `limit`, where one is given. */
  async listUsers({ limit = Infinity } = {}): Promise<readonly UserSummary[]> {
    const users: UserSummary[] = [];
    for await (const { principal, value } of this.#store.list('user')) {
      const name = nameOf(principal);
      if (name === '') continue;
      if (users.length >= limit) break;
      const { email, disabled } = parseUserRecord(value);
      users.push({ name, email, disabled });
    }
    return users;
  }

  /**
   * Applies what the database's configuration says of the guest, if it is not what was applied
   * last: so what an administrator changed since stays over a restart.
   */
  async configureGuest(config: GuestConfig): Promise<void> {
    const key = userKey('');
    const { collections } = this.#options;
    await this.#store.change(key, ({ value, given, asOf }) => {
      const before = value === undefined ? undefined : parseUserRecord(value);
      const record = changedGuest(before, config, { asOf, collections });
      if (record === undefined) return { value: null, grants: [] };
      const grants = userGrants(key, record, { collections: this.#grantable, given });
      return { value: formatUserRecord(record), grants };
    });
  }

  /** Throws `missing`, also for a deleted one. */
  async getRole(name: string): Promise<RoleView> {
    const snapshot = await this.#store.read(roleKey(name));
    const value = snapshot.principals[0]?.record?.value;
    const record = value === undefined ? undefined : parseRoleRecord(value);
    if (record === undefined || record.deleted) throw noSuchRole(name);
    const access = effectiveAccess(snapshot);
    return roleView(name, record, { access, collections: this.#options.collections });
  }

  /** Creates or changes a role; what is not named stays. Throws as `putUser`. */
  async putRole(name: string, value: unknown): Promise<{ readonly created: boolean }> {
    return this.#putRole(name, parseRoleInput(value), { mustBeNew: false });
  }

  /** Creates the role that the input names. Throws as `putUser`, and `conflict` where it exists. */
  async postRole(value: unknown): Promise<{ readonly name: string }> {
    const input = parseRoleInput(value);
    if (input.name === undefined) throw new GatewayError('badRequest', 'name is missing');
    await this.#putRole(input.name, input, { mustBeNew: true });
    return { name: input.name };
  }

  async #putRole(
    name: string,
    input: PrincipalInput,
    { mustBeNew }: { readonly mustBeNew: boolean },
  ): Promise<{ readonly created: boolean }> {
    checkName(name, input);
    this.#checkCollections(input);
    const key = roleKey(name);
    const before = await this.#store.change(key, (now) => {
      const exists = isLiveRole(now);
      if (exists && mustBeNew) throw new GatewayError('conflict', `${name} exists`);
      const old = exists ? parseRoleRecord(must(now.value, 'it is live')).adminChannels : new Map();
      const adminChannels = changedChannels(old, input.adminChannels);
      const record = { deleted: false, adminChannels };
      const grants = roleGrants(key, record, { collections: this.#grantable, given: now.given });
      return { value: formatRoleRecord(record), grants };
    });
    this.#log.info?.('role changed', { role: userData(name) });
    return { created: !isLiveRole(before) };
  }

  /**
   * It counts no more, though users keep its name; `_role/?deleted=true` still lists it unless
   * `purge`. Throws `missing`, also for one that is deleted already and not to be purged.
   */
  async deleteRole(name: string, { purge }: { readonly purge: boolean }): Promise<void> {
    await this.#store.change(roleKey(name), (now) => {
      if (now.value === undefined || !(purge || isLiveRole(now))) throw noSuchRole(name);
      const deleted = formatRoleRecord({ deleted: true, adminChannels: new Map() });
      return { value: purge ? null : deleted, grants: [] };
    });
    this.#log.info?.('role deleted', { role: userData(name), purge });
  }

  /** Names; with `deleted`, those of deleted roles too. */
  async listRoles({ deleted }: { readonly deleted: boolean }): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { principal, value } of this.#store.list('role')) {
      if (deleted || !parseRoleRecord(value).deleted) names.push(nameOf(principal));
    }
    return names;
  }

  #checkCollections(input: PrincipalInput): void {
    for (const name of input.adminChannels.keys()) {
      if (name === DEFAULT_COLLECTION || this.#options.collections.has(name)) continue;
      throw new GatewayError('missing', `this database has no collection ${name}`);
    }
  }
}

function innerName(name: string): string {
  return name === GUEST ? '' : name;
}

function checkName(name: string, input: PrincipalInput): void {
  if (!isValidPrincipalName(name)) {
    throw new GatewayError(
      'badRequest',
      'a name is not empty, has none of `:`, `,` and backtick, and at most 239 bytes',
    );
  }
  checkSameName(name, input);
}

function checkSameName(name: string, input: PrincipalInput): void {
  if (input.name !== undefined && input.name !== name) {
    throw new GatewayError('badRequest', 'the name in the body is not the one in the URL');
  }
}

function isLiveRole({ value }: PrincipalState): boolean {
  return value !== undefined && !parseRoleRecord(value).deleted;
}

function noSuchUser(name: string): GatewayError {
  return new GatewayError('missing', `there is no user ${name}`);
}

function noSuchRole(name: string): GatewayError {
  return new GatewayError('missing', `there is no role ${name}`);
}
