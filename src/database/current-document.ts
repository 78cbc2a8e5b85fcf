import type { RevisionBody, StoredDocument, StoredMetadata } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import type { SyncMetadata } from '../document/sync-metadata.ts';
import { parseMetadata } from '../document/sync-metadata.ts';
import type { Cas, DocId, RevId, Sequence } from '../document/types.ts';
import type { CollectionContext } from './collection-context.ts';
import { isForeign } from './foreign-content.ts';

/** A document as it stands in the bucket, with its metadata read. */
export interface CurrentDocument {
  readonly key: DocId;
  readonly cas: Cas;
  /** The winning revision. */
  readonly rev: RevId;
  /** Whether that is a tombstone. */
  readonly deleted: boolean;
  readonly seq: Sequence;
  /** As in the bucket. */
  readonly flags: number;
  /** JSON text of the winner; null for a tombstone, and where a stranger wrote over it. */
  readonly body: string | null;
  /** Whether a stranger wrote it, or deleted its body, since the winner was committed. */
  readonly isOverwritten: boolean;
  /** As applications keep them; see `userXattr`. */
  readonly xattrs: string | null;
  /** Unix seconds; 0: none. */
  readonly expiry: number;
  readonly metadata: SyncMetadata;
}

/**
 * As the gateway knows it; undefined where it has no such document. What strangers wrote over it is
 * not taken in: see `loadImported` for that.
 */
export async function loadDocument(
  context: Pick<CollectionContext, 'bucket' | 'id'>,
  key: DocId,
): Promise<CurrentDocument | undefined> {
  const stored = await context.bucket.get(context.id, key);
  return stored?.metadata === undefined ? undefined : currentDocument(stored, stored.metadata);
}

export function currentDocument(
  stored: Omit<StoredDocument, 'metadata'>,
  metadata: StoredMetadata,
): CurrentDocument {
  const isOverwritten = isForeign({ cas: stored.cas, metadata });
  return {
    key: stored.key,
    cas: stored.cas,
    rev: metadata.rev,
    deleted: (metadata.flags & FLAG.deleted) !== 0,
    seq: metadata.seq,
    flags: metadata.flags,
    body: isOverwritten ? null : stored.body,
    isOverwritten,
    xattrs: stored.xattrs,
    expiry: stored.expiry,
    metadata: parseMetadata(metadata.text, metadata.seq),
  };
}

/**
 * The body of any revision of the document; undefined where it is unknown or not kept (any more).
 */
export async function revisionBody(
  context: Pick<CollectionContext, 'bucket' | 'id'>,
  current: CurrentDocument,
  rev: RevId,
): Promise<RevisionBody | undefined> {
  if (rev === current.rev && current.body !== null)
    return { body: current.body, attachments: current.metadata.attachments };
  const revision = current.metadata.tree.get(rev);
  if (revision === undefined) return undefined;
  const kept = await context.bucket.getRevisionBody(context.id, current.key, rev);
  // A tombstone without properties is not kept: its body is known.
  return kept ?? (revision.deleted ? { body: '{}', attachments: {} } : undefined);
}
