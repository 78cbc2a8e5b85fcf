import {
  BATCH_MAX,
  FLAG,
  type Bucket,
  type CollectionId,
  type Mutation,
  type MutationPage,
} from '../bucket/bucket.ts';
import { parseMetadata } from '../document/sync-metadata.ts';
import type { DocId, Sequence } from '../document/types.ts';

/**
 * The mutation feed tells a document at its newest sequence only, and only the channels that it
 * left there. Where it was changed twice before the feed was read, the channel index still has an
 * entry at the first sequence if it left a channel then: its readers must be told. No document is
 * told at such sequences (a principal may be, whose grants changed with the document there); the
 * documents that took them are in the page, and know what they left when.
 */
export function untoldSequences(page: MutationPage, after: Sequence): ReadonlySet<Sequence> {
  const untold = new Set<Sequence>();
  let seq = after + 1;
  for (const mutation of page.mutations) {
    if (mutation.kind !== 'document') continue;
    for (; seq < mutation.seq; seq += 1) untold.add(seq as Sequence);
    if (mutation.seq === seq) seq += 1;
  }
  for (; seq <= page.upTo; seq += 1) untold.add(seq as Sequence);
  return untold;
}

/** The removals at `untold` sequences, as mutations, by document. */
export async function missedRemovals(
  bucket: Bucket,
  page: MutationPage,
  untold: ReadonlySet<Sequence>,
): Promise<readonly Mutation[]> {
  if (untold.size === 0) return [];
  const byCollection = new Map<CollectionId, DocId[]>();
  for (const mutation of page.mutations) {
    if (mutation.kind !== 'document') continue;
    const keys = byCollection.get(mutation.collection);
    if (keys === undefined) byCollection.set(mutation.collection, [mutation.key]);
    else keys.push(mutation.key);
  }
  const missed: Mutation[] = [];
  for (const [collection, keys] of byCollection) {
    for (let at = 0; at < keys.length; at += BATCH_MAX) {
      const stored = await bucket.getMany(collection, keys.slice(at, at + BATCH_MAX));
      for (const document of stored) {
        if (document?.metadata === undefined) continue;
        const { text, seq } = document.metadata;
        for (const [channel, { left }] of parseMetadata(text, seq).channels) {
          if (left === undefined || !untold.has(left.seq)) continue;
          const flags = FLAG.removed | (left.deleted ? FLAG.deleted : 0);
          missed.push({
            kind: 'document',
            seq: left.seq,
            collection,
            key: document.key,
            rev: left.rev,
            flags,
            channels: [],
            removed: [channel],
          });
        }
      }
    }
  }
  return missed;
}
