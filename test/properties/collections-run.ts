import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Answer } from '../helpers/http.ts';
import { USERS, type Follower, type Step } from './collection-steps.ts';
import {
  COLLECTIONS,
  CollectionsModel,
  SCOPE,
  SYNC_FUNCTIONS,
  type ByCollection,
  type CollectionName,
  type Content,
} from './collections-model.ts';
import { FeedClient } from './feed-client.ts';
import { LiveFollower } from './live-follower.ts';
import { assertReads, assertLists } from './reader-checks.ts';
import { Sanctioned } from './sanctioned.ts';

/** A gateway that can be killed. */
export interface Served {
  readonly urls: { readonly public: string; readonly admin: string };
  /** By `kill -9`; it may be elsewhere then. */
  restart(): Promise<void>;
}

type Effect = (model: CollectionsModel) => void;
type Of<D extends Step['do']> = Extract<Step, { readonly do: D }>;
type Draft = Omit<Of<'write'>, 'do'>;

/** What a client held, and where it was. */
interface Place {
  readonly held: ReadonlyMap<string, string>;
  readonly since: number | string;
}

interface Live {
  readonly collection: CollectionName;
  readonly client: LiveFollower;
}

const START: Place = { held: new Map(), since: 0 };
const MARKER = 'marker';
const WRITTEN = [200, 201];

/** One database, its model, and its clients. */
export class CollectionsRun implements AsyncDisposable {
  readonly #served: Served;
  readonly #name: string;
  readonly #followers: readonly Follower[];
  readonly #model = new CollectionsModel();
  readonly #sanctioned = new Sanctioned();
  /** By user and collection: where its client was, the last at the end. */
  readonly #places = new Map<string, Place[]>();
  readonly #live = new Set<Live>();
  #tokens = 0;

  constructor(served: Served, name: string, followers: readonly Follower[]) {
    this.#served = served;
    this.#name = name;
    this.#followers = followers;
  }

  async start(): Promise<void> {
    const sync = (name: CollectionName) => [name, { sync: SYNC_FUNCTIONS[name] }] as const;
    const collections = Object.fromEntries(COLLECTIONS.map(sync));
    const json = { scopes: { [SCOPE]: { collections } } };
    const created = await request('PUT', `${this.#admin}/`, { json });
    assert.equal(created.status, 201, created.text);
    const none = { one: [], two: [], three: [] };
    for (const user of USERS) await this.take({ do: 'set user', user, channels: none, roles: [] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const user of USERS) await this.#stopFollowing(user);
    await request('DELETE', `${this.#admin}/`);
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'write':
        return this.#apply([await this.#put(step)]);
      case 'burst':
        return this.#apply(await Promise.all(step.drafts.map((draft) => this.#put(draft))));
      case 'bulk':
        return this.#bulk(step);
      case 'remove':
      case 'bury':
        return this.#remove(step);
      case 'purge':
        return this.#purge(step);
      case 'refused':
      case 'stale':
        return this.#expectRefused(step);
      case 'user writes':
        return this.#userWrites(step);
      case 'settle':
        return this.settle();
      case 'kill':
        return this.#kill(step);
      default:
        return this.#takeMore(step);
    }
  }

  async #takeMore(
    step: Of<
      | 'set user'
      | 'switch user'
      | 'remove user'
      | 'set role'
      | 'remove role'
      | 'read'
      | 'list'
      | 'follow'
      | 'peek'
    >,
  ): Promise<void> {
    switch (step.do) {
      case 'set user':
        return this.#setUser(step);
      case 'switch user':
        return this.#switchUser(step.user);
      case 'remove user':
        return this.#removeUser(step.user);
      case 'set role':
        return this.#setRole(step);
      case 'remove role':
        return this.#removeRole(step.role);
      case 'read':
        return assertReads(this.#keyspace('public', step.collection), this.#model, step);
      case 'list':
        return assertLists(this.#keyspace('public', step.collection), this.#model, step);
      case 'follow':
        return this.#follow(step);
      case 'peek':
        return this.#peek(step);
    }
  }

  /**
   * Waits until all who follow have everything: then each holds exactly what it may see, and was
   * sent nothing else since the last time (invariants 2 and 3).
   */
  async settle(): Promise<void> {
    for (const collection of COLLECTIONS)
      this.#apply([await this.#put({ collection, id: MARKER, channels: ['!'] })]);
    for (const live of this.#live) {
      const { collection, client } = live;
      if (this.#model.admits(client.user))
        await client.has(MARKER, this.#model.document(collection, MARKER)!.rev);
      else await client.refused();
      this.#judge(live);
      if (this.#model.admits(client.user)) {
        const { parameters } = client.options;
        const isWhole = Object.keys(parameters).length === 0;
        this.#assertHeld(client, { collection, parameters, isWhole });
      }
    }
    this.#sanctioned.clear();
    this.#sanctioned.add(this.#model, USERS);
  }

  /** Reads every feed anew, from its start and from where its client stopped. */
  async end(): Promise<void> {
    await this.settle();
    for (const user of USERS)
      for (const collection of COLLECTIONS) {
        const common = { user, collection, limit: 1000 };
        await this.#follow({ do: 'follow', ...common, feed: 'normal', back: 0 });
        await this.#peek({ do: 'peek', ...common, back: 1e9, parameters: {} });
      }
  }

  get #admin(): string {
    return `${this.#served.urls.admin}/${this.#name}`;
  }

  #keyspace(port: 'public' | 'admin', collection: CollectionName): string {
    return `${this.#served.urls[port]}/${this.#name}.${SCOPE}.${collection}`;
  }

  /** Each effect may have come before any of the others. */
  #apply(effects: readonly Effect[]): void {
    for (let some = 1; some < 2 ** effects.length; some += 1) {
      const state = new CollectionsModel(this.#model);
      for (const [at, effect] of effects.entries()) if ((some >> at) % 2 === 1) effect(state);
      this.#sanctioned.add(state, USERS);
    }
    for (const effect of effects) effect(this.#model);
  }

  #content({ channels, grant, hire }: Pick<Draft, 'channels' | 'grant' | 'hire'>): Content {
    const token = `token-${(this.#tokens += 1)}.`;
    return { channels, token, ...(grant && { grant }), ...(hire && { hire }) };
  }

  #url(collection: CollectionName, id: string): string {
    const rev = this.#model.document(collection, id)?.rev;
    const query = rev === undefined ? '' : `?rev=${rev}`;
    return `${this.#keyspace('admin', collection)}/${id}${query}`;
  }

  async #put(draft: Draft): Promise<Effect> {
    return this.#write(draft, this.#content(draft));
  }

  async #write({ collection, id }: Draft, content: Content): Promise<Effect> {
    const url = this.#url(collection, id);
    const answer = await request('PUT', url, { json: { ...content, in: collection } });
    const rev = writtenRev(answer);
    return (model) => model.write(collection, id, { rev, content });
  }

  async #bulk({ collection, drafts }: Of<'bulk'>): Promise<void> {
    const contents = new Map(drafts.map((draft) => [draft.id, this.#content(draft)]));
    const docs: object[] = [...contents].map(([id, content]) => {
      const rev = this.#model.document(collection, id)?.rev;
      return { _id: id, ...(rev !== undefined && { _rev: rev }), ...content, in: collection };
    });
    docs.splice(1, 0, { _id: 'never', refuse: true });
    const url = `${this.#keyspace('admin', collection)}/_bulk_docs`;
    const answer = await request('POST', url, { json: { docs } });
    assert.equal(answer.status, 201, answer.text);
    const rows = answer.json as unknown as { id: string; rev?: string; status?: number }[];
    assert.equal(rows.find(({ id }) => id === 'never')?.status, 403, answer.text);
    const effects = [...contents].map(([id, content]): Effect => {
      const rev = rows.find((row) => row.id === id)?.rev;
      assert(rev !== undefined, answer.text);
      return (model) => model.write(collection, id, { rev, content });
    });
    this.#apply(effects);
  }

  async #remove(step: Of<'remove' | 'bury'>): Promise<void> {
    const { collection, id } = step;
    if (this.#model.document(collection, id)?.deleted !== false) return;
    const url = this.#url(collection, id);
    if (step.do === 'remove') {
      const rev = writtenRev(await request('DELETE', url));
      this.#apply([(model) => model.write(collection, id, { rev, deleted: true })]);
      return;
    }
    const content = this.#content(step);
    const json = { ...content, in: collection, _deleted: true };
    const rev = writtenRev(await request('PUT', url, { json }));
    this.#apply([(model) => model.write(collection, id, { rev, content, deleted: true })]);
  }

  async #purge({ collection, id }: Of<'purge'>): Promise<void> {
    const url = `${this.#keyspace('admin', collection)}/_purge`;
    const answer = await request('POST', url, { json: { [id]: ['*'] } });
    const was = this.#model.document(collection, id) !== undefined;
    assert.deepEqual(answer.json, { purged: was ? { [id]: ['*'] } : {} });
    this.#apply([(model) => model.purge(collection, id)]);
  }

  async #expectRefused({ do: what, collection, id }: Of<'refused' | 'stale'>): Promise<void> {
    const stored = this.#model.document(collection, id);
    const parent = what === 'stale' ? `1-${'0'.repeat(32)}` : stored?.rev;
    const query = parent === undefined ? '' : `?rev=${parent}`;
    const url = `${this.#keyspace('admin', collection)}/${id}${query}`;
    const body = { channels: ['a', 'b', 'c', '!'], grant: { to: USERS, channels: ['*'] } };
    const answer = await request('PUT', url, {
      json: what === 'stale' ? body : { ...body, refuse: true },
    });
    assert.equal(answer.status, what === 'stale' ? 409 : 403, answer.text);
  }

  async #userWrites({ collection, id, user, author, channels }: Of<'user writes'>): Promise<void> {
    const content = { ...this.#content({ channels }), author };
    const url = this.#url(collection, id).replace(
      this.#keyspace('admin', collection),
      this.#keyspace('public', collection),
    );
    const json = { ...content, in: collection };
    const answer = await request('PUT', url, { json, as: `${user}:letmein` });
    const isTaken = this.#model.mayWrite(user, collection, content);
    const expected = !this.#model.admits(user) ? 401 : isTaken ? 201 : 403;
    assert.equal(answer.status, expected, `${user} writes to ${collection}: ${answer.text}`);
    if (expected !== 201) return;
    const rev = writtenRev(answer);
    this.#apply([(model) => model.write(collection, id, { rev, content })]);
  }

  async #setUser({ user, channels, roles }: Omit<Of<'set user'>, 'do'>): Promise<void> {
    const before = this.#model.users.get(user);
    const json = {
      ...(before === undefined && { password: 'letmein' }),
      ...collectionAccess(channels),
      admin_roles: roles,
    };
    const answer = await request('PUT', `${this.#admin}/_user/${user}`, { json });
    assert.equal(answer.status, before === undefined ? 201 : 200, answer.text);
    const disabled = before?.disabled ?? false;
    this.#apply([(model) => model.users.set(user, { channels, roles, disabled })]);
    if (before === undefined) this.#startFollowing(user);
  }

  async #switchUser(user: string): Promise<void> {
    const before = this.#model.users.get(user);
    if (before === undefined) return;
    const disabled = !before.disabled;
    const answer = await request('PUT', `${this.#admin}/_user/${user}`, { json: { disabled } });
    assert.equal(answer.status, 200, answer.text);
    this.#apply([(model) => model.users.set(user, { ...before, disabled })]);
  }

  /** Another user of that name is another user: its clients begin anew. */
  async #removeUser(user: string): Promise<void> {
    await this.#stopFollowing(user);
    const answer = await request('DELETE', `${this.#admin}/_user/${user}`);
    assert.equal(answer.status, this.#model.users.has(user) ? 200 : 404, answer.text);
    this.#apply([(model) => model.users.delete(user)]);
    for (const collection of COLLECTIONS) this.#places.delete(`${user} ${collection}`);
  }

  async #setRole({ role, channels }: Of<'set role'>): Promise<void> {
    const json = collectionAccess(channels);
    const answer = await request('PUT', `${this.#admin}/_role/${role}`, { json });
    assert(WRITTEN.includes(answer.status), answer.text);
    this.#apply([(model) => model.roles.set(role, { channels })]);
  }

  async #removeRole(role: string): Promise<void> {
    const answer = await request('DELETE', `${this.#admin}/_role/${role}`);
    assert.equal(answer.status, this.#model.roles.has(role) ? 200 : 404, answer.text);
    this.#apply([(model) => model.roles.delete(role)]);
  }

  async #follow({ user, collection, limit, feed, back }: Of<'follow'>): Promise<void> {
    const keyspace = this.#keyspace('public', collection);
    if (!this.#model.admits(user)) {
      const answer = await request('GET', `${keyspace}/_changes`, { as: `${user}:letmein` });
      assert.equal(answer.status, 401, answer.text);
      return;
    }
    const places = this.#placesOf(user, collection);
    const client = new FeedClient(keyspace, user, places.at(-1 - back) ?? START);
    const visible = this.#model.visible(user, collection);
    await client.follow({ limit, feed }, (row, rev) => {
      if (rev !== undefined) assertSent(row, { user, collection, rev: visible.get(row.id) });
      places.push({ held: new Map(client.held), since: client.since });
    });
    places.push({ held: new Map(client.held), since: client.since });
    this.#assertHeld({ user, held: client.held }, { collection, isWhole: true });
  }

  async #peek({ user, collection, limit, back, parameters }: Of<'peek'>): Promise<void> {
    if (!this.#model.admits(user)) return;
    const place = this.#placesOf(user, collection).at(-1 - back) ?? START;
    const client = new FeedClient(this.#keyspace('public', collection), user, place);
    const visible = this.#model.visible(user, collection);
    await client.follow({ limit, feed: 'normal', parameters }, (row, rev) => {
      if (rev !== undefined) assertSent(row, { user, collection, rev: visible.get(row.id) });
    });
    const isWhole = place === START || parameters['include_docs'] === false;
    this.#assertHeld({ user, held: client.held }, { collection, parameters, isWhole });
  }

  /** While it is written, the gateway dies: so it may have been written, or not. */
  async #kill({ afterMs, ...draft }: Of<'kill'>): Promise<void> {
    const { collection, id } = draft;
    const content = this.#content(draft);
    const before = this.#model.document(collection, id);
    const writing = this.#write(draft, content).catch((cause: unknown) => {
      if (cause instanceof assert.AssertionError) throw cause;
      return undefined;
    });
    await sleep(afterMs);
    await this.#served.restart();
    const effect = await writing;
    if (effect !== undefined) return this.#apply([effect]);
    const found = await request('GET', `${this.#keyspace('admin', collection)}/${id}`);
    const rev = (found.json as { _rev?: string })._rev;
    if (rev === undefined || rev === before?.rev) return;
    this.#apply([(model) => model.write(collection, id, { rev, content })]);
  }

  #placesOf(user: string, collection: CollectionName): Place[] {
    const name = `${user} ${collection}`;
    const places = this.#places.get(name) ?? [];
    this.#places.set(name, places);
    return places;
  }

  #startFollowing(user: string): void {
    for (const { collection, following, user: of } of this.#followers) {
      if (of !== user) continue;
      const keyspace = (): string => this.#keyspace('public', collection);
      this.#live.add({ collection, client: new LiveFollower(keyspace, user, following) });
    }
  }

  async #stopFollowing(user: string): Promise<void> {
    for (const live of this.#live) {
      if (live.client.user !== user) continue;
      await live.client[Symbol.asyncDispose]();
      this.#judge(live);
      this.#live.delete(live);
    }
  }

  #judge({ client, collection }: Live): void {
    for (const [id, rev, row] of client.told.splice(0)) {
      this.#sanctioned.assert(client.user, collection, { id, rev, about: row });
      if (row.doc !== undefined) assert.equal(row.doc['in'], collection);
    }
  }

  /** `isWhole`: it holds nothing else; of others only what their feed tells is known. */
  #assertHeld(
    { user, held }: { readonly user: string; readonly held: ReadonlyMap<string, string> },
    options: {
      readonly collection: CollectionName;
      readonly parameters?: Readonly<Record<string, string | boolean>>;
      readonly isWhole: boolean;
    },
  ): void {
    const { collection, parameters = {}, isWhole } = options;
    const through = parameters['channels'];
    const visible = this.#model.visible(
      user,
      collection,
      typeof through === 'string' ? through.split(',') : undefined,
    );
    const counting = [...held].filter(
      ([id]) => visible.has(id) || (isWhole && !this.#model.wasPurged(collection, id)),
    );
    const about = `what ${user} holds of ${collection} by ${JSON.stringify(parameters)}`;
    assert.deepEqual(sorted(counting), sorted(visible), about);
  }
}

function assertSent(
  row: { readonly id: string; readonly doc?: Readonly<Record<string, unknown>> },
  expected: {
    readonly user: string;
    readonly collection: CollectionName;
    readonly rev: string | undefined;
  },
): void {
  const { user, collection, rev } = expected;
  const sent = (row as { changes?: { rev: string }[] }).changes?.[0]?.rev;
  assert.equal(sent, rev, `${user} was sent ${JSON.stringify(row)}`);
  if (row.doc !== undefined) assert.equal(row.doc['in'], collection);
}

const collectionAccess = (channels: ByCollection): object => ({
  collection_access: {
    [SCOPE]: Object.fromEntries(
      COLLECTIONS.map((name) => [name, { admin_channels: channels[name] }]),
    ),
  },
});

function writtenRev(answer: Answer): string {
  assert(WRITTEN.includes(answer.status), `${answer.status} ${answer.text}`);
  return (answer.json as { rev: string }).rev;
}

const sorted = (
  entries: Iterable<readonly [string, string]>,
): readonly (readonly [string, string])[] => [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
