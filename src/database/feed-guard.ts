import type { DatabaseConfig } from '../config/database-config.ts';
import type { Observer } from '../observability/events.ts';
import { feedLost } from '../observability/events.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { DatabaseStates } from './database-states.ts';
import type { FeedState, FeedTrouble } from './feed-state.ts';
import { feedTroubleOf, requireUsable } from './feed-state.ts';
import type { HeldBucket } from './held-bucket.ts';

interface FeedLimits {
  /** How long the feed may be lost, ms. */
  readonly lostMs: number;
  /** How long another process may keep the bucket from being written, ms. */
  readonly lockedMs: number;
}

interface Guarded {
  readonly held: HeldBucket;
  readonly states: DatabaseStates;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly limits: () => FeedLimits;
  /** Takes the database offline. */
  readonly giveUp: (trouble: FeedTrouble) => Promise<void>;
}

/** Takes a database offline whose bucket is in trouble for too long. */
export class FeedGuard {
  readonly #guarded: Guarded;
  #lost: FeedTrouble | undefined;
  #givingUp: Promise<void> | undefined;

  constructor(guarded: Guarded) {
    this.#guarded = guarded;
  }

  get state(): FeedState {
    if (this.#lost !== undefined) return { state: 'lost', ...this.#lost };
    const openBucket = this.#guarded.held.now;
    const trouble = openBucket && feedTroubleOf(openBucket);
    return trouble === undefined ? { state: 'following' } : { state: 'retrying', ...trouble };
  }

  /** It goes offline for this. */
  lost(trouble: FeedTrouble): void {
    this.#lost = trouble;
    feedLost(this.#guarded.observer, trouble);
  }

  /**
   * To be asked before an administrator brings it online: connects again where it went offline for
   * a trouble. Throws `unavailable` with what still stands in the way.
   */
  async reconnect(): Promise<void> {
    const { held, states } = this.#guarded;
    if (states.state !== 'Offline') return;
    try {
      // NOTE: one that is locked is as slow to close as to open.
      if (held.now?.bucket.trouble?.kind === 'locked') await requireUsable(held.now);
      else if (this.#lost !== undefined) await requireUsable(await held.takeAnew());
    } catch (cause) {
      const why = isGatewayError(cause) ? cause.message : 'internal error';
      const reason = `the database is offline: it could not come online: ${why}`;
      throw new GatewayError('unavailable', reason, { cause });
    }
  }

  /** It came online again. */
  found(): void {
    this.#lost = undefined;
  }

  /** To be asked every second or so; nothing is waited for. */
  check(): void {
    const { held, states, clock, limits, giveUp, observer } = this.#guarded;
    const serves = states.state === 'Online' || states.state === 'Resyncing';
    const trouble = serves && held.now !== undefined ? feedTroubleOf(held.now) : undefined;
    if (trouble === undefined || this.#givingUp !== undefined) return;
    // An older trouble that was there when it came online has its limit too.
    const sinceMs = Math.max(trouble.sinceMs, states.sinceMs);
    const { lostMs, lockedMs } = limits();
    if (clock.now() - sinceMs < (trouble.onlyWrites ? lockedMs : lostMs)) return;
    this.#givingUp = giveUp(trouble)
      .catch((cause: unknown) => {
        observer.log.error('a database could not go offline', { error: cause });
      })
      .finally(() => (this.#givingUp = undefined));
  }
}

/** A feed that cannot be read is given up after this, where the configuration sets no limit. */
const LOST_MS = 30_000;

/**
 * The limits of a configuration. A lock alone is given up only where one is set: whoever holds it
 * will end some time, and until then readers are served.
 */
export function feedLimits({
  feed_lost_offline_secs: secs,
}: Pick<DatabaseConfig, 'feed_lost_offline_secs'>): FeedLimits {
  if (secs === undefined) return { lostMs: LOST_MS, lockedMs: Number.POSITIVE_INFINITY };
  return { lostMs: secs * 1000, lockedMs: secs * 1000 };
}

/** Databases are asked this often whether their feed is lost for too long. */
const CHECK_EVERY_MS = 500;

/** Resolves when `signal` aborts. */
export async function runFeedGuards(
  databases: () => Iterable<{ readonly feed: FeedGuard }>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(CHECK_EVERY_MS, signal);
    if (!signal.aborted) for (const { feed } of databases()) feed.check();
  }
}
