import { createHash } from 'node:crypto';

const FIRST_MS = 500;
const MOST_MS = 60_000;
const DOUBLINGS_MAX = 10;
/** What a receiver may ask for with `Retry-After`. */
const RETRY_AFTER_MS_MOST = 10 * 60_000;

/**
 * How long to wait after so many failures (1, 2, …), ms: twice as long each time, up to a minute,
 * of that half to all. `of` is what fails: so many that failed at one moment come back at many.
 */
export function backOffMs(failures: number, of: string): number {
  const whole = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, DOUBLINGS_MAX), MOST_MS);
  const digest = createHash('sha256').update(`${of} ${failures}`).digest();
  return Math.round(whole * (0.5 + digest.readUInt32LE(0) / 2 ** 33));
}

/** Seconds, or a date (RFC 9110 §10.2.3); undefined where it is neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MOST);
}
