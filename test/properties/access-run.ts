import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { FeedClient, feedKind } from './feed-client.ts';
import type { FeedKind } from './feed-client.ts';
import { SYNC_FUNCTION, SyncModel } from './sync-model.ts';

export const USERS = ['ann', 'bob', 'cat'];
const ROLES = ['crew', 'desk'];
const CHANNELS = ['a', 'b', 'c', 'd', '*', '!'];
const IDS = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7'];

const channels = fc.subarray(CHANNELS, { maxLength: 3 });
const documentChannels = fc.subarray(['a', 'b', 'c', 'd', '!'], { maxLength: 2 });
const user = fc.constantFrom(...USERS);
const role = fc.constantFrom(...ROLES);
const id = fc.constantFrom(...IDS);

export type Step =
  | { readonly do: 'write'; readonly id: string; readonly channels: readonly string[] }
  | {
      readonly do: 'grant';
      readonly id: string;
      readonly to: string;
      readonly channels: readonly string[];
    }
  | { readonly do: 'hire'; readonly id: string; readonly user: string; readonly role: string }
  | { readonly do: 'remove'; readonly id: string }
  | { readonly do: 'refused'; readonly id: string }
  | { readonly do: 'stale edit'; readonly id: string }
  | {
      readonly do: 'set user';
      readonly user: string;
      readonly channels: readonly string[];
      readonly roles: readonly string[];
    }
  | { readonly do: 'set role'; readonly role: string; readonly channels: readonly string[] }
  | { readonly do: 'remove role'; readonly role: string }
  | { readonly do: 'read'; readonly user: string; readonly id: string }
  | {
      readonly do: 'follow';
      readonly user: string;
      readonly limit: number;
      readonly feed: FeedKind;
    };

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), id, channels: documentChannels }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('grant' as const),
      id,
      to: fc.oneof(
        user,
        role.map((name) => `role:${name}`),
      ),
      channels: documentChannels,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hire' as const), id, user, role }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refused' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stale edit' as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('set user' as const),
      user,
      channels,
      roles: fc.subarray(ROLES),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set role' as const), role, channels }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove role' as const), role }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), user, id }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('follow' as const),
      user,
      limit: fc.integer({ min: 1, max: 20 }),
      feed: feedKind,
    }),
  },
);

/** One database, its model, and a client for each user. */
export class Run {
  readonly #admin: string;
  readonly #public: string;
  readonly model = new SyncModel();
  readonly clients: ReadonlyMap<string, FeedClient>;

  constructor(gateway: TestGateway, database: string) {
    this.#admin = `${gateway.admin}/${database}`;
    this.#public = `${gateway.public}/${database}`;
    this.clients = new Map(USERS.map((name) => [name, new FeedClient(this.#public, name)]));
  }

  async start(): Promise<void> {
    const created = await request('PUT', `${this.#admin}/`, { json: { sync: SYNC_FUNCTION } });
    assert.equal(created.status, 201, created.text);
    for (const name of USERS) await this.#setUser(name, [], []);
  }

  async take(taken: Step): Promise<void> {
    switch (taken.do) {
      case 'write':
        return this.#write(taken.id, { channels: taken.channels });
      case 'grant':
        return this.#write(taken.id, {
          channels: [],
          grant: { to: taken.to, channels: taken.channels },
        });
      case 'hire':
        return this.#write(taken.id, {
          channels: [],
          hire: { user: taken.user, role: taken.role },
        });
      case 'remove':
        return this.#remove(taken.id);
      case 'refused':
        return this.#expectRefused(taken.id, { refuse: true }, 403);
      case 'stale edit':
        return this.#expectRefused(taken.id, { channels: CHANNELS }, 409);
      case 'set user':
        return this.#setUser(taken.user, taken.channels, taken.roles);
      case 'set role':
        return this.#setRole(taken.role, taken.channels);
      case 'remove role':
        return this.#removeRole(taken.role);
      case 'read':
        return this.#read(taken.user, taken.id);
      case 'follow':
        return this.follow(taken.user, taken);
    }
  }

  /** Follows to the end; then invariant 3 holds, and on the way invariant 2 does. */
  async follow(
    name: string,
    options: { readonly limit: number; readonly feed: FeedKind },
  ): Promise<void> {
    const client = this.clients.get(name)!;
    const visible = this.model.visible(name);
    await client.follow(options, ({ id: docid }, rev) => {
      if (rev !== undefined)
        assert.equal(visible.get(docid), rev, `${name} was sent ${docid} ${rev}`);
    });
    assert.deepEqual(sorted(client.held), sorted(visible), `${name} holds what it may see`);
  }

  async #write(
    docid: string,
    body: Omit<Parameters<SyncModel['documents']['set']>[1], 'rev' | 'deleted'>,
  ): Promise<void> {
    const stored = this.model.documents.get(docid);
    const query = stored === undefined ? '' : `?rev=${stored.rev}`;
    const answer = await request('PUT', `${this.#admin}/${docid}${query}`, { json: body });
    assert.equal(answer.status, 201, answer.text);
    const { rev } = answer.json as unknown as { rev: string };
    this.model.documents.set(docid, { ...body, rev, deleted: false });
  }

  async #remove(docid: string): Promise<void> {
    const stored = this.model.documents.get(docid);
    if (stored === undefined || stored.deleted) return;
    const answer = await request('DELETE', `${this.#admin}/${docid}?rev=${stored.rev}`);
    assert.equal(answer.status, 200, answer.text);
    const { rev } = answer.json as unknown as { rev: string };
    this.model.documents.set(docid, { rev, deleted: true, channels: [] });
  }

  async #expectRefused(docid: string, body: object, status: number): Promise<void> {
    const stored = this.model.documents.get(docid);
    const parent = status === 409 ? '1-00000000000000000000000000000000' : stored?.rev;
    const query = parent === undefined ? '' : `?rev=${parent}`;
    const answer = await request('PUT', `${this.#admin}/${docid}${query}`, { json: body });
    assert.equal(answer.status, status, answer.text);
  }

  async #setUser(name: string, held: readonly string[], roles: readonly string[]): Promise<void> {
    const json = {
      ...(this.model.users.has(name) ? {} : { password: 'letmein' }),
      admin_channels: held,
      admin_roles: roles,
    };
    const answer = await request('PUT', `${this.#admin}/_user/${name}`, { json });
    assert(answer.status === 200 || answer.status === 201, answer.text);
    this.model.users.set(name, { channels: held, roles });
  }

  async #setRole(name: string, held: readonly string[]): Promise<void> {
    const answer = await request('PUT', `${this.#admin}/_role/${name}`, {
      json: { admin_channels: held },
    });
    assert(answer.status === 200 || answer.status === 201, answer.text);
    this.model.roles.set(name, { channels: held });
  }

  async #removeRole(name: string): Promise<void> {
    const answer = await request('DELETE', `${this.#admin}/_role/${name}`);
    assert.equal(answer.status, this.model.roles.has(name) ? 200 : 404, answer.text);
    this.model.roles.delete(name);
  }

  async #read(name: string, docid: string): Promise<void> {
    const answer = await request('GET', `${this.#public}/${docid}`, { as: `${name}:letmein` });
    const stored = this.model.documents.get(docid);
    const expected =
      stored === undefined || stored.hidden === true
        ? 404
        : !this.model.maySee(name, stored.channels)
          ? 403
          : stored.deleted
            ? 404
            : 200;
    assert.equal(answer.status, expected, `${name} reads ${docid}: ${answer.text}`);
  }
}

const sorted = (map: ReadonlyMap<string, string>): readonly (readonly [string, string])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));
