import type { DatabaseSync } from 'node:sqlite';

import type { Sequence } from '../../document/types.ts';
import { distinct } from '../../util/distinct.ts';
import { type ChannelEntry, FLAG, type DocumentChange } from '../bucket.ts';
import { entriesOf, NO_CHANNELS, type ChannelList } from './channel-list.ts';
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
    const numberOf = ({ channel }: ChannelEntry): number =>
      this.#names.findOrAdd(collection, channel);
    const inside = distinct(channels.in.map(numberOf));
    const out = distinct(channels.out.map(numberOf), inside);
    if (old.list === NO_CHANNELS) return { in: inside, out, left: [] };
    const moved = new Set(inside);
    for (const channel of out) moved.add(channel);
    const left: number[] = [];
    for (const [channel, seq] of entriesOf(old.list, old.seq)) {
      if (moved.has(channel)) this.#delete.write(channel, seq, old.id);
      else left.push(channel, seq);
    }
    return { in: inside, out, left };
  }

  insert(
    change: Pick<DocumentChange, 'flags' | 'rev' | 'key'>,
    at: { readonly id: number; readonly seq: Sequence; readonly list: ChannelList },
  ): void {
    const { flags, rev, key } = change;
    const { id, seq, list } = at;
    for (const channel of list.in) {
      this.#insert.write(channel, seq, id, flags & ~FLAG.removed, rev, key);
    }
    const removed = FLAG.removed | (flags & FLAG.deleted);
    for (const channel of list.out) this.#insert.write(channel, seq, id, removed, rev, key);
  }

  remove(id: number, seq: Sequence, list: ChannelList): void {
    for (const [channel, entrySeq] of entriesOf(list, seq))
      this.#delete.write(channel, entrySeq, id);
  }
}
