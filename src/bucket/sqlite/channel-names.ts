import type { DatabaseSync } from 'node:sqlite';

import { must } from '../../util/assert.ts';
import type { CollectionId } from '../bucket.ts';
import { Query } from './query.ts';

/** Names kept in memory, each way; past it the memory starts afresh. */
const CHANNELS_CACHED_MAX = 100_000;

/**
 * Channels by number: the index holds numbers, the world says names. A number, once given, is its
 * name's for ever, so that both directions may be remembered.
 */
export class ChannelNames {
  readonly #ids = new Map<CollectionId, Map<string, number>>();
  #idsRemembered = 0;
  readonly #names = new Map<number, string>();
  readonly #byName: Query<[id: number]>;
  readonly #byId: Query<[name: string]>;
  readonly #insert: Query | undefined;

  constructor(db: DatabaseSync, options: { readonly writable: boolean }) {
    this.#byName = new Query(db, 'SELECT id FROM channels WHERE collection = ? AND name = ?');
    this.#byId = new Query(db, 'SELECT name FROM channels WHERE id = ?');
    this.#insert = options.writable
      ? new Query(db, 'INSERT INTO channels (collection, name) VALUES (?, ?)')
      : undefined;
  }

  find(collection: CollectionId, name: string): number | undefined {
    const cached = this.#ids.get(collection)?.get(name);
    if (cached !== undefined) return cached;
    const id = this.#byName.one(collection, name)?.[0];
    if (id !== undefined) this.#remember(collection, name, id);
    return id;
  }

  /** For the writer: gives the channel a number where it has none. */
  findOrAdd(collection: CollectionId, name: string): number {
    const known = this.find(collection, name);
    if (known !== undefined) return known;
    const insert = must(this.#insert, 'only the writer adds channels');
    const { lastId } = insert.run(collection, name);
    this.#remember(collection, name, lastId);
    return lastId;
  }

  nameOf(id: number): string {
    const cached = this.#names.get(id);
    if (cached !== undefined) return cached;
    const [name] = must(this.#byId.one(id), 'a channel with a number has a name');
    if (this.#names.size >= CHANNELS_CACHED_MAX) this.#names.clear();
    this.#names.set(id, name);
    return name;
  }

  /** After a rollback: numbers that it gave are free again. */
  forget(): void {
    this.#forgetIds();
    this.#names.clear();
  }

  #remember(collection: CollectionId, name: string, id: number): void {
    if (this.#idsRemembered >= CHANNELS_CACHED_MAX) this.#forgetIds();
    let ids = this.#ids.get(collection);
    if (ids === undefined) {
      ids = new Map();
      this.#ids.set(collection, ids);
    }
    ids.set(name, id);
    this.#idsRemembered += 1;
  }

  #forgetIds(): void {
    this.#ids.clear();
    this.#idsRemembered = 0;
  }
}
