import type { DatabaseSync } from 'node:sqlite';

import type { Digest } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';
import { Query } from './query.ts';

/** Bytes of a chunk but the last, which may be shorter. The format of the file: never change it. */
export const CHUNK_BYTES = 256 * 1024;

/** Reads the bytes of attachments. */
export class AttachmentReader {
  readonly #byDigest: Query<[id: number, length: number]>;
  readonly #chunk: Query<[bytes: Uint8Array]>;

  constructor(db: DatabaseSync) {
    this.#byDigest = new Query(db, 'SELECT id, length FROM attachments WHERE digest = ?');
    this.#chunk = new Query(
      db,
      'SELECT bytes FROM attachment_chunks WHERE attachment = ? AND number = ?',
    );
  }

  find(digest: Digest): { readonly id: number; readonly length: number } | undefined {
    const row = this.#byDigest.one(digest);
    return row === undefined ? undefined : { id: row[0], length: row[1] };
  }

  /** The bytes of one chunk; `unavailable` where the attachment was removed meanwhile. */
  chunk(id: number, number: number): Uint8Array {
    const row = this.#chunk.one(id, number);
    if (row === undefined) {
      throw new GatewayError('unavailable', 'the attachment was removed while it was being read');
    }
    return row[0];
  }
}
