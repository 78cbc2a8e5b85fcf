import type { Bucket } from '../bucket/bucket.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';

/** How long what is past its time may still be there, ms. */
const ROUND_MS = 1000;
/** How long unreferenced attachment bytes stay: an upload's revision is committed well before. */
export const ATTACHMENT_GRACE_SECS = 3600;

/**
 * Lets a bucket drop what is past its time: kept bodies, records, attachments that nothing refers
 * to. Once for a bucket, however many databases it has. Runs until `signal` aborts.
 */
export async function runRemoval(
  bucket: Bucket,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  let inTrouble = false;
  while (!signal.aborted) {
    let more = false;
    try {
      const now = Math.floor(clock.now() / 1000);
      more = await bucket.removeExpired(now, ATTACHMENT_GRACE_SECS);
      inTrouble = false;
    } catch (cause) {
      if (signal.aborted) return;
      // NOTE: once for a trouble, not in every round.
      if (!inTrouble)
        log.warn('what is past its time could not be removed; trying again', { error: cause });
      inTrouble = true;
    }
    if (!more) await clock.sleep(ROUND_MS, signal);
  }
}
