import type { DocumentChange } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import { moveChannels } from '../document/channel-state.ts';
import { formatMetadata } from '../document/sync-metadata.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import type { Verdict } from './judge-revision.ts';
import { routedXattrCrc } from './user-xattr.ts';

/**
 * A document that is as it was and goes other ways, since an application has changed its xattr, or
 * has taken back what was refused: the change that routes it so, for which no revision is made.
 * Pure.
 */
export function routedAnew(
  context: CollectionContext,
  current: CurrentDocument,
  verdict: Verdict,
): DocumentChange {
  const { key, cas, rev, deleted, flags, metadata, seq: rowSeq, xattrs } = current;
  const { channels: into, grants, expiry = current.expiry, judgement } = verdict;
  const moved = moveChannels(metadata, { into, rev, deleted, rowSeq });
  const next = {
    ...metadata,
    tree: metadata.tree.withChannels(rev, into),
    channels: moved.channels,
    pastChannels: moved.pastChannels,
    grantsPresent: grants.length > 0,
    savedAt: nowSecs(context),
    revisionSeq: metadata.revisionSeq ?? rowSeq,
  };
  const hasGrants = grants.length > 0 || metadata.grantsPresent;
  const xattrCrc = routedXattrCrc(context, xattrs);
  return {
    kind: 'document',
    ...judgement,
    collection: context.id,
    key,
    ifCas: cas,
    body: null,
    keepsBody: true,
    expiry,
    rev,
    flags: flags & ~FLAG.hidden,
    metadata: formatMetadata(next),
    ...(xattrCrc === undefined ? {} : { xattrCrc }),
    channels: { in: moved.in, out: moved.out },
    ...(hasGrants ? { grants: { database: context.database, grants } } : {}),
  };
}
