import type { Cas, Digest, DocId, Sequence } from '../document/types.ts';
import type { AttachmentReference, CollectionId, Grant, PrincipalKey } from './bucket.ts';

/** What administrators and background tasks ask of a bucket, beside the daily work. */
export interface BucketUpkeep {
  /**
   * The principals to which something grants this now, in the order of their keys. At most `limit`.
   */
  holdersOf(
    database: string,
    what: Pick<Grant, 'kind' | 'collection' | 'target'>,
    limit: number,
  ): Promise<readonly PrincipalKey[]>;

  /**
   * What the store holds to be the attachments of these documents: a list for each key, in the
   * order given, by digest, in one snapshot; empty for what is no document. At most BATCH_MAX keys.
   */
  referencesOf(
    collection: CollectionId,
    keys: readonly DocId[],
  ): Promise<readonly (readonly AttachmentReference[])[]>;

  /** Stored attachments in the order of their digests, after one. At most BATCH_MAX. */
  listAttachments(after: string, limit: number): Promise<readonly ListedAttachment[]>;

  /**
   * Principals in the order of their keys, with a record or without, each with the number of its
   * grants that ended at or before a sequence. At most BATCH_MAX.
   */
  listEndedGrants(range: EndedGrantsRange): Promise<readonly ListedEndedGrants[]>;
}

export interface ListedAttachment {
  readonly digest: Digest;
  /** Whether a document that is there refers to it. */
  readonly isReferenced: boolean;
  /** Whether the store names any document for it, be that one there or not. */
  readonly isNamed: boolean;
  /** Since when nothing refers to it, Unix seconds; undefined where the store did not note that. */
  readonly unreferencedSince: number | undefined;
}

export interface EndedGrantsRange {
  readonly database: string;
  /** Exclusive; absent: from the first on. */
  readonly after?: string;
  readonly limit: number;
  /** Inclusive. */
  readonly upTo: Sequence;
}

export interface ListedEndedGrants {
  readonly principal: PrincipalKey;
  /** JSON text of its record; undefined where it has none. */
  readonly value: string | undefined;
  readonly ended: number;
}

/** Changes of what is kept beside documents and grants. None takes a sequence, no feed tells it. */
export type UpkeepChange =
  | ReferencesChange
  | AttachmentChange
  | DocumentHistoryChange
  | GrantHistoryChange;

/** Makes right what the store holds to be the attachments of a document; its CAS stays. */
export interface ReferencesChange {
  readonly kind: 'references';
  readonly collection: CollectionId;
  readonly key: DocId;
  readonly ifCas: Cas;
  /** All that it refers to. */
  readonly attachments: readonly AttachmentReference[];
}

/**
 * Forgets references to an attachment by documents that are gone: where none is left, its grace
 * time begins. Or, with `purge`, removes an attachment that nothing is named for.
 */
export interface AttachmentChange {
  readonly kind: 'attachment';
  readonly digest: Digest;
  /** Fails as `cas` where that is otherwise by now, the attachment gone, or named and to purge. */
  readonly ifUnreferencedSince: number | undefined;
  readonly purge: boolean;
}

/** Another text of a document's metadata that means the same of its present; its CAS stays. */
export interface DocumentHistoryChange {
  readonly kind: 'documentHistory';
  readonly collection: CollectionId;
  readonly key: DocId;
  readonly ifCas: Cas;
  /** A sequence written as 0 in it still means the sequence of the row. */
  readonly metadata: string;
}

/**
 * Shortens what is remembered of a principal's ended grants. All periods of one channel or role
 * that ended at or before `upTo` become a single one, from the first one's begin to the last one's
 * end, by the source of that. So nothing that was ever held is forgotten, but the gaps are; then
 * it is told as `merged`.
 */
export interface GrantHistoryChange {
  readonly kind: 'grantHistory';
  readonly database: string;
  readonly principal: PrincipalKey;
  readonly upTo: Sequence;
  /** What ended at or before it is forgotten altogether; not after `upTo`. */
  readonly forgetUpTo: Sequence;
}
