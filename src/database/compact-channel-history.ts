import type { DocumentChange } from '../bucket/bucket.ts';
import { moveChannels, presentChannels } from '../document/channel-state.ts';
import { formatMetadata } from '../document/sync-metadata.ts';
import type { DocId } from '../document/types.ts';
import { must } from '../util/assert.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { loadVisible } from './load-imported.ts';

/** How often the document is looked at anew when somebody changes it meanwhile. */
const ATTEMPTS_MAX = 50;

/**
 * Makes a document forget its earlier stays in channels: all but the last one in each. Its revision
 * stays; the change takes a sequence, as every one does. A reader who lost access to such a channel
 * and has not been told yet may keep what it has. Throws `missing`.
 */
export async function compactChannelHistory(context: CollectionContext, id: DocId): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const change = await forgettingChange(context, id);
    if (change === undefined) return;
    const [result] = await context.bucket.commit([change]);
    if (must(result, 'one result for each change').ok) return;
  }
  throw new GatewayError('unavailable', 'the document is being changed too often; try again');
}

/** Undefined where there is nothing to forget. */
async function forgettingChange(
  context: CollectionContext,
  id: DocId,
): Promise<DocumentChange | undefined> {
  const current = await loadVisible(context, id);
  const { metadata, rev, deleted, flags } = current;
  if (metadata.pastChannels.length === 0) return undefined;
  const moved = moveChannels(metadata, {
    into: presentChannels(metadata),
    rev,
    deleted,
    rowSeq: current.seq,
  });
  return {
    kind: 'document',
    collection: context.id,
    key: id,
    ifCas: current.cas,
    body: current.body,
    expiry: current.expiry,
    rev,
    flags,
    metadata: formatMetadata({ ...metadata, channels: moved.channels, pastChannels: [] }),
    channels: { in: moved.in, out: moved.out },
  };
}
