import type { DatabaseSync } from 'node:sqlite';

import type { Digest, DocId } from '../../document/types.ts';
import type { AttachmentReference, CollectionId, Grant, PrincipalKey } from '../bucket.ts';
import type { EndedGrantsRange, ListedAttachment, ListedEndedGrants } from '../upkeep.ts';
import { Query } from './query.ts';

type AttachmentRow = readonly [
  digest: Digest,
  unreferencedSince: number | null,
  isReferenced: number,
  isNamed: number,
];

/** Reads what `BucketUpkeep` tells. */
export class UpkeepReader {
  readonly #holders: Query<[principal: PrincipalKey]>;
  readonly #references: Query<[digest: Digest, until: number]>;
  readonly #attachments: Query<AttachmentRow>;
  readonly #ended: Query<[principal: PrincipalKey, value: string | null, ended: number]>;

  constructor(db: DatabaseSync) {
    this.#holders = new Query(
      db,
      `SELECT DISTINCT principal FROM grants INDEXED BY grants_target
       WHERE database = ? AND kind = ? AND collection = ? AND target = ? AND until_seq = 0
       ORDER BY principal LIMIT abs(?)`,
    );
    this.#references = new Query(
      db,
      `SELECT r.digest, r.until FROM metadata m
       JOIN attachment_references r ON r.metadata = m.id
       WHERE m.collection = ? AND m.key = ? ORDER BY r.digest`,
    );
    const named = 'SELECT 1 FROM attachment_references r WHERE r.digest = a.digest';
    const there = 'EXISTS (SELECT 1 FROM metadata m WHERE m.id = r.metadata)';
    this.#attachments = new Query(
      db,
      `SELECT a.digest, a.unreferenced_since, EXISTS (${named} AND ${there}), EXISTS (${named})
       FROM attachments a WHERE a.digest > ? ORDER BY a.digest LIMIT abs(?)`,
    );
    this.#ended = new Query(
      db,
      `SELECT p.principal, p.value, (SELECT count(*) FROM grants g
         WHERE g.database = p.database AND g.principal = p.principal
         AND g.until_seq BETWEEN 1 AND ?)
       FROM principals p WHERE p.database = ? AND p.principal > ?
       ORDER BY p.principal LIMIT abs(?)`,
    );
  }

  holdersOf(
    database: string,
    { kind, collection, target }: Pick<Grant, 'kind' | 'collection' | 'target'>,
    limit: number,
  ): readonly PrincipalKey[] {
    return this.#holders
      .all(database, kind, collection, target, limit)
      .map(([principal]) => principal);
  }

  referencesOf(collection: CollectionId, key: DocId): readonly AttachmentReference[] {
    return this.#references.all(collection, key).map(([digest, until]) => ({ digest, until }));
  }

  attachments(after: string, limit: number): readonly ListedAttachment[] {
    return this.#attachments
      .all(after, limit)
      .map(([digest, unreferencedSince, isReferenced, isNamed]) => ({
        digest,
        isReferenced: isReferenced === 1,
        isNamed: isNamed === 1,
        unreferencedSince: unreferencedSince ?? undefined,
      }));
  }

  endedGrants({
    database,
    after = '',
    limit,
    upTo,
  }: EndedGrantsRange): readonly ListedEndedGrants[] {
    return this.#ended
      .all(upTo, database, after, limit)
      .map(([principal, value, ended]) => ({ principal, value: value ?? undefined, ended }));
  }
}
