import type { DocId, Sequence } from '../document/types.ts';
import type { CollectionId, PrincipalKey } from './bucket.ts';

export interface ScanRange {
  /** From this key, inclusive. */
  readonly start?: string;
  /** To this key, inclusive. */
  readonly end?: string;
  /** After this key, exclusive: where the last page ended. */
  readonly after?: string;
  /** At most BATCH_MAX. */
  readonly limit: number;
  /** Whether `body` is wanted; else it is null for all. */
  readonly bodies: boolean;
  /** The page ends with the document that brings its bodies to so many characters. */
  readonly charsMax?: number;
}

/** What a bucket counts of its documents. */
export interface DocumentCounts {
  /**
   * How many documents with metadata follow a key, up to `limit` of them, and the key of the last
   * one that was counted: so a walk over the keys cuts the collection into parts of one size.
   */
  countKeys(
    collection: CollectionId,
    range: { readonly after: string; readonly limit: number },
  ): Promise<CountedKeys>;

  /**
   * How many documents have their last change at or before that sequence: counted up to `limit`.
   */
  countUnchangedSince(collection: CollectionId, seq: Sequence, limit: number): Promise<number>;
}

export interface CountedKeys {
  readonly count: number;
  /** Undefined where none follows. */
  readonly last: DocId | undefined;
}

export interface PrincipalRange {
  readonly database: string;
  readonly kind: 'user' | 'role';
  /** After this key, exclusive: where the last page ended. */
  readonly after?: PrincipalKey;
  readonly limit: number;
}

export interface ListedPrincipal {
  readonly principal: PrincipalKey;
  /** JSON text of its record. */
  readonly value: string;
}
