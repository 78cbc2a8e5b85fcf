import type { Digest } from '../document/types.ts';
import type { StoredAttachment } from './bucket.ts';

/** The bytes of attachments in a bucket, by their digests. */
export interface AttachmentStore {
  /**
   * Stores the bytes and tells their digest and length. Nothing refers to them until a document
   * change names the digest; unreferenced ones are collected after a grace time. The stream is
   * consumed at the store's pace, each piece before the next is asked for; past `lengthMax` bytes
   * it fails with `tooLarge`, on `signal` it stops; then nothing is kept. Equal bytes are stored
   * once.
   */
  putAttachment(
    bytes: AsyncIterable<Uint8Array>,
    options: { readonly lengthMax: number; readonly signal?: AbortSignal },
  ): Promise<StoredAttachment>;

  /**
   * Begins the grace time of stored attachments anew: for what was stored a while before a document
   * names it. False where one of them is not there (any more).
   */
  keepAttachments(digests: readonly Digest[]): Promise<boolean>;

  /**
   * The bytes from `start` (inclusive) to `end` (exclusive), a chunk at a time, each the caller's
   * own; undefined where there is no such digest.
   */
  getAttachment(
    digest: Digest,
    range?: { readonly start: number; readonly end: number },
  ): Promise<{ readonly length: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined>;
}
