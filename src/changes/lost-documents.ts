import type { Bucket, ChannelRow, CollectionId, StoredDocument } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import { PAST_CHANNELS_MAX, presentChannels } from '../document/channel-state.ts';
import { generationOf } from '../document/rev-id.ts';
import { parseMetadata, type SyncMetadata } from '../document/sync-metadata.ts';
import type { DocId, Sequence } from '../document/types.ts';
import type { EndedPeriod } from '../principals/access.ts';
import type { FeedRow } from './feed-row.ts';
import type { FeedView } from './feed-view.ts';
import { rowOf, UNMARKED, type RowSource, type RowStyle } from './row-maker.ts';
import type { SequenceId } from './sequence-id.ts';

/**
 * A document that the reader may hold and may have lost: entries of one sequence, and the ended
 * periods of access that they concern.
 */
export interface LostCandidate {
  readonly at: SequenceId;
  readonly entries: readonly ChannelRow[];
  /** Periods that end at this trigger. */
  readonly closed: readonly EndedPeriod[];
  /** Earlier periods of channels that are held again from this trigger on. */
  readonly earlier: readonly EndedPeriod[];
  /** Channels held from this trigger on, where the entries do not tell their channels. */
  readonly opened: readonly string[];
}

export interface LostContext {
  readonly bucket: Bucket;
  readonly collection: CollectionId;
  readonly view: FeedView;
  readonly style: RowStyle;
}

/**
 * What to tell of the candidates, one result for each: nothing where the reader still sees the
 * document, and nothing where it never did (its id is not the reader's business). At most
 * BATCH_MAX. /
 */
export async function tellLost(
  candidates: readonly LostCandidate[],
  context: LostContext,
): Promise<readonly (FeedRow | undefined)[]> {
  if (candidates.length === 0) return [];
  const keys = candidates.map(({ entries }) => entries[0]?.key as DocId);
  const stored = await context.bucket.getMany(context.collection, keys);
  return candidates.map((candidate, index) => {
    const document = stored[index];
    return document && tellOne(candidate, document, context);
  });
}

function tellOne(
  candidate: LostCandidate,
  document: StoredDocument,
  { view, style }: LostContext,
): FeedRow | undefined {
  if (document.metadata === undefined) return undefined;
  const { text, seq, rev, flags } = document.metadata;
  const metadata = parseMetadata(text, seq);
  const present = presentChannels(metadata);
  const { at, closed, earlier, entries } = candidate;
  const now: RowSource = {
    seq,
    key: document.key,
    rev,
    flags,
    // Another CAS is a stranger's write, which is no part of this revision.
    body: document.cas === document.metadata.cas ? document.body : null,
    metadata: text,
  };
  const seen = (period: EndedPeriod): boolean => wasSeen(now, metadata, period);
  const isHidden = (flags & FLAG.hidden) !== 0;
  if (!isHidden && view.mayRead(present)) {
    const isDeleted = (flags & FLAG.deleted) !== 0;
    const isNews = isDeleted
      ? closed.some(seen) || (seq === at.seq && earlier.some(seen))
      : isOpened(candidate, present) && seq === at.seq;
    return isNews ? rowOf(now, at, { style, marks: UNMARKED }) : undefined;
  }
  if (closed.some(seen)) {
    return rowOf(now, at, { style, marks: { removed: [], gone: false, revoked: true } });
  }
  if (!earlier.some(seen)) return undefined;
  const left = entries.filter(({ flags: bits }) => (bits & FLAG.removed) !== 0);
  const [first] = left;
  if (first === undefined) return undefined;
  const removed = left.flatMap(({ channel }) => channel ?? []);
  return rowOf(first, at, { style, marks: { removed, gone: true, revoked: false } });
}

function isOpened({ at, opened }: LostCandidate, present: readonly string[]): boolean {
  if (at.trigger === undefined || at.seq >= at.trigger) return false;
  return present.some((channel) => opened.includes(channel));
}

/** Whether the document was in the period's channel while the reader had that. */
function wasSeen(now: RowSource, metadata: SyncMetadata, period: EndedPeriod): boolean {
  const { channel, from, until } = period;
  if (channel === ALL_CHANNELS) {
    // Where its row moved on without a revision, the document was there before.
    const written = metadata.revisionSeq ?? now.seq;
    return written < until || generationOf(now.rev) > 1;
  }
  const state = metadata.channels.get(channel);
  if (state === undefined) return false;
  if (state.since < until && (state.left === undefined || state.left.seq > from)) return true;
  const stays = metadata.pastChannels;
  // Where earlier stays may be forgotten, a row too much is better than a document kept.
  if (stays.length >= PAST_CHANNELS_MAX) return true;
  return stays.some((stay) => overlaps(stay, period));
}

function overlaps(
  stay: { readonly channel: string; readonly from: Sequence; readonly until: Sequence },
  period: EndedPeriod,
): boolean {
  return stay.channel === period.channel && stay.from < period.until && stay.until > period.from;
}
