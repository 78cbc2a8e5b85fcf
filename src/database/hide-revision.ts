import type { StoredDocument } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import type { HiddenRevision } from '../bucket/foreign-writes.ts';
import { moveChannels } from '../document/channel-state.ts';
import { formatMetadata, parseMetadata } from '../document/sync-metadata.ts';
import { isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';

/**
 * How the revision is hidden that a document had before a stranger's write which is refused: it
 * leaves its channels, so whoever may have it is told as of a removal, on every node. What it
 * grants stays. Undefined where nothing is to be hidden: there was none, it is a tombstone, or it
 * is hidden already.
 */
export function hideRevision(
  context: CollectionContext,
  { metadata: stored, body, foreignBody }: StoredDocument,
): HiddenRevision | undefined {
  if (stored === undefined || (stored.flags & (FLAG.hidden | FLAG.deleted)) !== 0) return undefined;
  // A deletion hides nothing: it ends the document, once it can be taken in.
  if (body === null && foreignBody === undefined) return undefined;
  const { rev, seq: ofSeq, text } = stored;
  try {
    const metadata = parseMetadata(text, ofSeq);
    const moved = moveChannels(metadata, { into: [], rev, deleted: false, rowSeq: ofSeq });
    const next = {
      ...metadata,
      tree: metadata.tree.withChannels(rev, []),
      channels: moved.channels,
      savedAt: nowSecs(context),
      revisionSeq: metadata.revisionSeq ?? ofSeq,
    };
    return {
      ofSeq,
      rev,
      flags: stored.flags | FLAG.hidden,
      metadata: formatMetadata(next),
      channels: { in: [], out: moved.out },
    };
  } catch (cause) {
    // What nobody can read is hidden from everybody.
    if (!isGatewayError(cause, 'corrupt')) throw cause;
    return undefined;
  }
}
