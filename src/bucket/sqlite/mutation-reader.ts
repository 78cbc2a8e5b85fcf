import type { DatabaseSync } from 'node:sqlite';

import type { DocId, RevId, Sequence } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import {
  BATCH_MAX,
  type CollectionId,
  type Mutation,
  type MutationPage,
  type PrincipalKey,
} from '../bucket.ts';
import { parseChannelList } from './channel-list.ts';
import type { ChannelNames } from './channel-names.ts';
import { Query } from './query.ts';

/** A document (`row` 0), or the row of a principal with its database and name. */
type MutationRow = readonly [
  seq: Sequence,
  row: number,
  collection: CollectionId,
  keyOrDatabase: string,
  revOrPrincipal: string,
  flags: number,
  channels: string,
];

/**
 * Where a reader of the history is: everything up to `seq` was told, and where `principal` is
 * there, of the sequence after it the document and the principals up to that row: one document may
 * change thousands of them at once.
 */
export interface MutationCursor {
  readonly seq: Sequence;
  readonly principal?: number;
}

/** One step on: the page, and where the next one begins. */
interface MutationStep {
  readonly page: MutationPage;
  readonly next: MutationCursor;
}

/**
 * Reads the history in the order of sequences, documents before principals of the same sequence.
 * A step looks at a window of BATCH_MAX sequences, so that it is bounded whatever the number of
 * collections.
 */
export class MutationReader {
  readonly #names: ChannelNames;
  readonly #window: Query<MutationRow>;
  readonly #restOfSequence: Query<MutationRow>;

  constructor(db: DatabaseSync, names: ChannelNames) {
    this.#names = names;
    const principals = `SELECT access_version, id, 0, database, principal, 0, '' FROM principals`;
    this.#window = new Query(
      db,
      `SELECT m.seq, 0, m.collection, m.key, m.rev, m.flags, m.channels
       FROM collections c CROSS JOIN metadata m ON m.collection = c.id
       WHERE m.seq > ?1 AND m.seq <= ?2
       UNION ALL ${principals} WHERE access_version > ?1 AND access_version <= ?2
       ORDER BY 1, 2 LIMIT ${BATCH_MAX + 1}`,
    );
    this.#restOfSequence = new Query(
      db,
      `${principals} WHERE access_version = ? AND id > ? ORDER BY id LIMIT ${BATCH_MAX + 1}`,
    );
  }

  /** Call it in a snapshot, whose end of history is `last`. */
  step(cursor: MutationCursor, last: Sequence): MutationStep {
    const { seq, principal } = cursor;
    const partial = principal !== undefined;
    const end = (partial ? seq + 1 : Math.min(seq + BATCH_MAX, last)) as Sequence;
    const rows = partial ? this.#restOfSequence.all(end, principal) : this.#window.all(seq, end);
    const told = rows.slice(0, BATCH_MAX);
    const mutations = told.map((row) => this.#mutation(row));
    const next = rows.length > BATCH_MAX ? cursorAfter(told) : { seq: end };
    return { page: { mutations, upTo: next.seq }, next };
  }

  #mutation(row: MutationRow): Mutation {
    const [seq, principal, collection, keyOrDatabase, revOrPrincipal, flags, text] = row;
    if (principal !== 0) {
      const name = revOrPrincipal as PrincipalKey;
      return { kind: 'access', seq, database: keyOrDatabase, principal: name };
    }
    const list = parseChannelList(text);
    return {
      kind: 'document',
      seq,
      collection,
      key: keyOrDatabase as DocId,
      rev: revOrPrincipal as RevId,
      flags,
      channels: list.in.map((id) => this.#names.nameOf(id)),
      removed: list.out.map((id) => this.#names.nameOf(id)),
    };
  }
}

/** After a page that was cut: only what is before its last sequence is told for certain. */
function cursorAfter(told: readonly MutationRow[]): MutationCursor {
  const [seq, principal] = must(told.at(-1), 'a page that is cut is not empty');
  return { seq: (seq - 1) as Sequence, principal };
}
