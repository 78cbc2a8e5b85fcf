// What revision trees and the metadata of a document cost, by the length of the history.
import { noChannels } from '../../src/document/channel-state.ts';
import { createRevId, parseRevId } from '../../src/document/rev-id.ts';
import { RevisionTree } from '../../src/document/revision-tree.ts';
import { formatMetadata, parseMetadata } from '../../src/document/sync-metadata.ts';
import type { SyncMetadata } from '../../src/document/sync-metadata.ts';
import { sequence } from '../../src/document/types.ts';
import { measure } from '../lib/measure.ts';
import { revisionIds } from '../lib/samples.ts';

const REVS_LIMIT = 50;

for (const generations of [1, 10, 50]) {
  const [rev, ...ancestors] = revisionIds(generations).map(parseRevId);
  if (rev === undefined) continue;
  const channels = ['ch1', 'all'];
  const tree = RevisionTree.empty.insert({ rev, deleted: false, channels }, ancestors);
  const at = sequence(12_345);
  const metadata: SyncMetadata = {
    ...noChannels,
    channels: new Map(channels.map((channel) => [channel, { since: at }])),
    tree,
    attachments: {},
    grantsPresent: false,
    savedAt: 1_764_000_000,
  };
  const text = formatMetadata(metadata);
  const child = { rev: createRevId(rev, '{}'), deleted: false, channels };
  measure(`${generations} generations, ${text.length} bytes of metadata`, [
    { name: 'parseMetadata', run: () => parseMetadata(text, at) },
    { name: 'parseMetadata, and its winner', run: () => parseMetadata(text, at).tree.winner() },
    { name: 'formatMetadata', run: () => formatMetadata(metadata) },
    { name: 'insert a child', run: () => tree.insert(child, [rev]) },
    {
      name: 'insert, prune, winner',
      run: () => tree.insert(child, [rev]).prune(REVS_LIMIT).tree.winner(),
    },
  ]);
}
