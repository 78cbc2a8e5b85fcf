import type { DatabaseSync } from 'node:sqlite';

import type { Sequence } from '../../document/types.ts';
import { FLAG, type DocumentChange } from '../bucket.ts';
import { entriesOf, type ChannelList } from './channel-list.ts';
import type { ChannelNames } from './channel-names.ts';
import { Query } from './query.ts';

/** Keeps the channel index: one entry for each document and channel that it is or was in. */
export class ChannelIndexWriter {
  readonly #names: ChannelNames;
  readonly #insert: Query;
  readonly #delete: Query;

  constructor(db: DatabaseSync, names: ChannelNames) {
    this.#names = names;
    this.#insert = new Query(
      db,
      `INSERT INTO channel_index (channel, seq, metadata, flags, rev, key)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = new Query(
      db,
      'DELETE FROM channel_index WHERE channel = ? AND seq = ? AND metadata = ?',
    );
  }

  /** The list after `change`: entries that it replaces are removed, `insert` adds the new ones. */
  replace(
    change: Pick<DocumentChange, 'collection' | 'channels'>,
    old: { readonly id: number; readonly seq: Sequence; readonly list: ChannelList },
  ): ChannelList {
    const { collection, channels } = change;
    const inside = new Set(
      channels.in.map(({ channel }) => this.#names.findOrAdd(collection, channel)),
    );
    const out = new Set<number>();
    for (const { channel } of channels.out) {
      const id = this.#names.findOrAdd(collection, channel);
      if (!inside.has(id)) out.add(id);
    }
    const left: number[] = [];
    for (const [channel, seq] of entriesOf(old.list, old.seq)) {
      if (inside.has(channel) || out.has(channel)) this.#delete.run(channel, seq, old.id);
      else left.push(channel, seq);
    }
    return { in: [...inside], out: [...out], left };
  }

  insert(
    change: Pick<DocumentChange, 'flags' | 'rev' | 'key'>,
    at: { readonly id: number; readonly seq: Sequence; readonly list: ChannelList },
  ): void {
    const { flags, rev, key } = change;
    const { id, seq, list } = at;
    for (const channel of list.in) {
      this.#insert.run(channel, seq, id, flags & ~FLAG.removed, rev, key);
    }
    const removed = FLAG.removed | (flags & FLAG.deleted);
    for (const channel of list.out) this.#insert.run(channel, seq, id, removed, rev, key);
  }

  remove(id: number, seq: Sequence, list: ChannelList): void {
    for (const [channel, entrySeq] of entriesOf(list, seq)) this.#delete.run(channel, entrySeq, id);
  }
}
