import type { ChangeCache } from '../changes/change-cache.ts';
import type { Observer } from '../observability/events.ts';

/**
 * What a database tells of the bucket's history, which the cache of the bucket follows: so
 * databases on one bucket tell the same.
 */
export function tellCacheFigures(
  { database, metrics }: Observer,
  cache: Pick<ChangeCache, 'caughtUpTo' | 'figures'>,
): void {
  const newest = (): number => cache.caughtUpTo;
  metrics.readFrom('high_seq_cached', database, newest);
  metrics.readFrom('high_seq_stable', database, newest);
  metrics.readFrom('high_seq_feed', database, newest);
  metrics.readFrom('last_sequence_assigned_value', database, newest);
  metrics.readFrom('dcp_received_count', database, () => cache.figures.changes);
  metrics.readFrom('dcp_caching_count', database, () => cache.figures.documents);
  metrics.readFrom('chan_cache_num_channels', database, () => cache.figures.names);
  metrics.readFrom('num_active_channels', database, () => cache.figures.listenedTo);
}
