import { createHash, type Hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

import type { Digest } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';
import type { AttachmentReference, StoredAttachment } from '../bucket.ts';
import type { AttachmentChange } from '../upkeep.ts';
import { Query } from './query.ts';

/** References that one step of a removal ends. */
const REFERENCES_ENDED_MAX = 200;
/** Chunks that one step of a removal deletes: 4 MB, some milliseconds. */
const CHUNKS_REMOVED_MAX = 16;

interface Upload {
  readonly id: number;
  readonly hash: Hash;
  length: number;
  chunks: number;
}

/**
 * Writes the bytes of attachments, and who refers to them. An upload is a row without digest, to
 * which chunks are added in small transactions; its end gives it the digest. So a crash leaves only
 * rows without digest, which are collected like attachments that nothing refers to. An attachment
 * that is removed first loses its digest, so that it is never seen half.
 */
export class AttachmentWriter {
  readonly #uploads = new Map<number, Upload>();
  readonly #begin: Query;
  readonly #chunk: Query;
  readonly #progress: Query;
  readonly #finish: Query;
  readonly #byDigest: Query<[id: number, length: number]>;
  readonly #referred: Query<[one: number]>;
  readonly #setUnreferenced: Query;
  readonly #standing: Query<[id: number, unreferencedSince: number | null]>;
  readonly #forgetGone: Query;
  readonly #forget: Query;
  readonly #abandon: Query;
  readonly #removeChunks: Query;
  readonly #remove: Query;
  readonly #collectable: Query<[id: number]>;
  readonly #references: Query<[digest: Digest, until: number]>;
  readonly #ended: Query<[metadata: number, digest: Digest]>;
  readonly #refer: Query;
  readonly #unrefer: Query;

  constructor(db: DatabaseSync) {
    const query = (sql: string): Query => new Query(db, sql);
    this.#begin = query(
      'INSERT INTO attachments (digest, length, unreferenced_since) VALUES (NULL, 0, ?)',
    );
    this.#chunk = query(
      'INSERT INTO attachment_chunks (attachment, number, bytes) VALUES (?, ?, ?)',
    );
    this.#progress = query('UPDATE attachments SET unreferenced_since = ? WHERE id = ?');
    this.#finish = query(
      'UPDATE attachments SET digest = ?, length = ?, unreferenced_since = ? WHERE id = ?',
    );
    this.#byDigest = new Query(db, 'SELECT id, length FROM attachments WHERE digest = ?');
    this.#referred = new Query(db, 'SELECT 1 FROM attachment_references WHERE digest = ? LIMIT 1');
    this.#setUnreferenced = query('UPDATE attachments SET unreferenced_since = ? WHERE digest = ?');
    this.#standing = new Query(
      db,
      'SELECT id, unreferenced_since FROM attachments WHERE digest = ?',
    );
    this.#forgetGone = query(
      `DELETE FROM attachment_references
       WHERE digest = ? AND metadata NOT IN (SELECT id FROM metadata)`,
    );
    this.#forget = query('UPDATE attachments SET unreferenced_since = NULL WHERE digest = ?');
    this.#abandon = query(
      'UPDATE attachments SET digest = NULL, unreferenced_since = 0 WHERE id = ?',
    );
    this.#removeChunks = query(
      `DELETE FROM attachment_chunks WHERE id IN
       (SELECT id FROM attachment_chunks WHERE attachment = ? LIMIT ${CHUNKS_REMOVED_MAX})`,
    );
    this.#remove = query('DELETE FROM attachments WHERE id = ?');
    this.#collectable = new Query(
      db,
      `SELECT id FROM attachments WHERE unreferenced_since < ?
       ORDER BY unreferenced_since LIMIT 1`,
    );
    this.#references = new Query(
      db,
      'SELECT digest, until FROM attachment_references WHERE metadata = ?',
    );
    this.#ended = new Query(
      db,
      `SELECT metadata, digest FROM attachment_references
       WHERE until > 0 AND until <= ? ORDER BY until LIMIT ${REFERENCES_ENDED_MAX}`,
    );
    this.#refer = query(
      'INSERT OR REPLACE INTO attachment_references (metadata, digest, until) VALUES (?, ?, ?)',
    );
    this.#unrefer = query('DELETE FROM attachment_references WHERE metadata = ? AND digest = ?');
  }

  start(upload: number, nowSecs: number): void {
    const { lastId } = this.#begin.run(nowSecs);
    this.#uploads.set(upload, { id: lastId, hash: createHash('sha1'), length: 0, chunks: 0 });
  }

  addChunk(upload: number, bytes: Uint8Array, nowSecs: number): void {
    const state = this.#stateOf(upload);
    this.#chunk.run(state.id, state.chunks, bytes);
    if (state.chunks > 0) this.#progress.run(nowSecs, state.id);
    state.hash.update(bytes);
    state.length += bytes.byteLength;
    state.chunks += 1;
  }

  /** Ends an upload with its last bytes: from now on they have their digest. */
  finish(upload: number, bytes: Uint8Array, nowSecs: number): StoredAttachment {
    if (bytes.byteLength > 0) this.addChunk(upload, bytes, nowSecs);
    const { id, hash, length } = this.#stateOf(upload);
    const digest = `sha1-${hash.digest('base64')}` as Digest;
    const unreferencedSince = this.#referred.one(digest) === undefined ? nowSecs : null;
    if (this.#byDigest.one(digest) === undefined) {
      this.#finish.run(digest, length, unreferencedSince, id);
    } else {
      this.#abandon.run(id);
      this.#setUnreferenced.run(unreferencedSince, digest);
    }
    return { digest, length };
  }

  /** Whether all are there; the grace time of those that nothing refers to begins anew. */
  keep(digests: readonly Digest[], nowSecs: number): boolean {
    for (const digest of digests) {
      if (this.#byDigest.one(digest) === undefined) return false;
      if (this.#referred.one(digest) === undefined) this.#setUnreferenced.run(nowSecs, digest);
    }
    return true;
  }

  /** Gives up an upload; its chunks are left to `collect`. */
  discard(upload: number): void {
    const state = this.#uploads.get(upload);
    this.#uploads.delete(upload);
    if (state !== undefined) this.#abandon.run(state.id);
  }

  /** Forgets an upload that ended; after a rollback its row may be another's by now. */
  lose(upload: number): void {
    this.#uploads.delete(upload);
  }

  /** Removes a step of what nothing refers to since before `sinceSecs`; whether there was any. */
  collect(sinceSecs: number): boolean {
    const row = this.#collectable.one(sinceSecs);
    if (row === undefined) return false;
    const [id] = row;
    this.#abandon.run(id);
    const { changes } = this.#removeChunks.run(id);
    if (changes < CHUNKS_REMOVED_MAX) this.#remove.run(id);
    return true;
  }

  /** See `AttachmentChange`; whether it is as the change says. */
  settle({ digest, ifUnreferencedSince, purge }: AttachmentChange, nowSecs: number): boolean {
    const row = this.#standing.one(digest);
    if (row === undefined || (row[1] ?? undefined) !== ifUnreferencedSince) return false;
    if (purge) {
      if (this.#referred.one(digest) !== undefined) return false;
      // NOTE: its chunks are left to `collect`, a step at a time.
      this.#abandon.run(row[0]);
      return true;
    }
    this.#forgetGone.run(digest);
    if (this.#referred.one(digest) === undefined && ifUnreferencedSince === undefined)
      this.#setUnreferenced.run(nowSecs, digest);
    return true;
  }

  /** What a document refers to from now on; attachments may be named before they are stored. */
  refer(metadata: number, references: readonly AttachmentReference[], nowSecs: number): void {
    const before = new Map(this.#references.all(metadata));
    const after = new Map(references.map(({ digest, until }) => [digest, until]));
    for (const [digest, until] of after) {
      if (before.get(digest) === until) continue;
      this.#refer.run(metadata, digest, until);
      if (!before.has(digest)) this.#forget.run(digest);
    }
    for (const digest of before.keys())
      if (!after.has(digest)) this.#end(metadata, digest, nowSecs);
  }

  /** Ends references that are past their time; whether more may be left. */
  endReferences(nowSecs: number): boolean {
    const ended = this.#ended.all(nowSecs);
    for (const [metadata, digest] of ended) this.#end(metadata, digest, nowSecs);
    return ended.length === REFERENCES_ENDED_MAX;
  }

  #end(metadata: number, digest: Digest, nowSecs: number): void {
    this.#unrefer.run(metadata, digest);
    if (this.#referred.one(digest) === undefined) this.#setUnreferenced.run(nowSecs, digest);
  }

  #stateOf(upload: number): Upload {
    const state = this.#uploads.get(upload);
    if (state === undefined) {
      throw new GatewayError('unavailable', 'the upload was lost with the writer of the bucket');
    }
    return state;
  }
}
