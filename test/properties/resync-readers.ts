import assert from 'node:assert/strict';
import type { TestDatabase } from '../helpers/database.ts';
import { putUser } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import type { Reading } from './feed-client.ts';
import { FeedClient } from './feed-client.ts';
import type { Doc, RoutedDoc } from './resync-model.ts';
import { OWN, ROLE, USERS, visible } from './resync-model.ts';

const NORMAL: Reading = { limit: 200, feed: 'normal' };

/** The users of a database of the model, each with a client that follows on and off. */
export class ResyncReaders {
  readonly #db: TestDatabase;
  readonly #clients: ReadonlyMap<string, FeedClient>;

  constructor(db: TestDatabase) {
    this.#db = db;
    this.#clients = new Map(USERS.map((name) => [name, new FeedClient(db.public, name)]));
  }

  /** Makes the users and their role, with what an administrator gives them. */
  async create(): Promise<void> {
    const { admin } = this.#db;
    const role = await request('PUT', `${admin}/_role/${ROLE.name}`, {
      json: { admin_channels: ROLE.channels },
    });
    assert.equal(role.status, 201, role.text);
    for (const name of USERS) await putUser(this.#db, name, { admin_channels: OWN[name]! });
  }

  /** Some follow: each is told of nothing but what it may see, and holds all of that then. */
  async check(
    docs: readonly RoutedDoc[],
    { readers = USERS, ...reading }: { readers?: readonly string[] } & Partial<Reading> = {},
  ): Promise<void> {
    for (const name of readers)
      await this.#check(this.#clients.get(name)!, name, { docs, ...NORMAL, ...reading });
  }

  /** And so does whoever comes for the first time. */
  async checkAll(docs: readonly RoutedDoc[]): Promise<void> {
    await this.check(docs);
    for (const name of USERS)
      await this.#check(new FeedClient(this.#db.public, name), name, { docs, ...NORMAL });
  }

  /** A client writes a document again; false where the function refuses that. */
  async write(id: string, json: Doc): Promise<boolean> {
    const { json: stored } = await request('GET', `${this.#db.admin}/${id}`);
    const { _rev: rev } = stored as { _rev: string };
    const answer = await request('PUT', `${this.#db.admin}/${id}?rev=${rev}`, { json });
    assert.ok(answer.status === 201 || answer.status === 403, answer.text);
    return answer.status === 201;
  }

  async #check(
    client: FeedClient,
    name: string,
    { docs, ...reading }: { readonly docs: readonly RoutedDoc[] } & Reading,
  ): Promise<void> {
    const expected = visible(docs, name);
    const allowed = new Set(expected);
    await client.follow(reading, (row, rev) => {
      if (rev !== undefined) assert.ok(allowed.has(row.id), `${name} is told of ${row.id}`);
    });
    const held = [...client.held.keys()].filter((key) => !key.startsWith('_')).toSorted();
    assert.deepEqual(held, expected, `${name} of ${this.#db.admin}`);
  }
}
