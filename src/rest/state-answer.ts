import type { FeedLag, FeedState } from '../database/feed-state.ts';
import type { DatabaseRegistry } from '../database/registry.ts';
import type { ServedDatabase } from '../database/served-database.ts';
import type { Port } from './route.ts';

export interface StateAnswerOptions {
  readonly port: Port;
  readonly verbose?: boolean | undefined;
  /** How far its feeds are behind, as far as that is known. */
  readonly lag: FeedLag;
  /** Collections that must be resynced before it may serve. */
  readonly requireResync: readonly string[];
}

/**
 * The state of a database as it is told: what the reference tells, and beyond that since when and
 * (to administrators) why, unless that is a matter of course, when it is to come online, and
 * whether it is so on this node alone.
 */
export function stateAnswer(
  { states, onlineAtMs, ownState, feed }: ServedDatabase,
  { port, verbose = false, lag, requireResync }: StateAnswerOptions,
): Readonly<Record<string, unknown>> {
  const { state, sinceMs, reason, inTrouble } = states;
  const settled = state === 'Online' || state === 'Offline';
  const tellsFeed = port === 'admin' && (verbose || feed.state.state !== 'following');
  return {
    state,
    ...(port === 'admin' && ownState !== undefined ? { state_scope: 'node' } : {}),
    ...(verbose || inTrouble || !settled ? { state_since: new Date(sinceMs).toISOString() } : {}),
    ...(port === 'admin' && (verbose || inTrouble) ? { state_reason: reason } : {}),
    ...(onlineAtMs === undefined ? {} : { online_at: new Date(onlineAtMs).toISOString() }),
    ...(port === 'admin' && requireResync.length > 0 ? { require_resync: requireResync } : {}),
    ...(tellsFeed ? { feed: feedAnswer(feed.state, lag) } : {}),
  };
}

function feedAnswer(feed: FeedState, lag: FeedLag): Readonly<Record<string, unknown>> {
  return {
    state: feed.state,
    ...(feed.state === 'following'
      ? {}
      : { since: new Date(feed.sinceMs).toISOString(), reason: feed.reason }),
    ...(lag.sequences === undefined ? {} : { lag_sequences: lag.sequences }),
    lag_secs: lag.secs,
  };
}

/** Buckets that cannot be opened: nobody can tell which databases they have. */
export function bucketsInTroubleAnswer({
  bucketsInTrouble,
}: DatabaseRegistry): readonly Readonly<Record<string, string>>[] {
  return bucketsInTrouble.map(({ bucket, sinceMs, reason }) => ({
    bucket,
    since: new Date(sinceMs).toISOString(),
    reason,
  }));
}
