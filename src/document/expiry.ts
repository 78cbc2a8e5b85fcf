import { GatewayError } from '../util/errors.ts';

/**
 * Numbers up to here are seconds from now, larger ones Unix times: 30 days, as in Couchbase Server.
 */
const RELATIVE_SECS_MAX = 30 * 24 * 60 * 60;
/** Expiry is an unsigned 32-bit number there. */
const EXPIRY_MAX = 0xffff_ffff;

const DIGITS = /^[0-9]{1,10}$/;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * When a document expires: the value of `_exp`, or what a sync function gave to `expiry()`. A
 * number of seconds from now (up to 30 days) or a Unix time, either one also as a string of digits;
 * an ISO time with zone; null or 0 for never. Gives Unix seconds, 0 for never; a time that has
 * passed is one. Throws `badRequest` for anything else. `nowSecs` in Unix seconds.
 */
export function parseExpiry(value: unknown, nowSecs: number): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'number') return fromNumber(value, nowSecs);
  if (typeof value === 'string') {
    if (DIGITS.test(value)) return fromNumber(Number(value), nowSecs);
    if (ISO_TIME.test(value)) return fromTime(Date.parse(value));
  }
  throw invalid();
}

/** The ISO time of an expiry in Unix seconds. */
export function formatExpiry(expiry: number): string {
  return `${new Date(expiry * 1000).toISOString().slice(0, 19)}Z`;
}

function fromNumber(secs: number, nowSecs: number): number {
  if (!Number.isInteger(secs) || secs < 0 || secs > EXPIRY_MAX) throw invalid();
  if (secs === 0 || secs > RELATIVE_SECS_MAX) return secs;
  return Math.min(Math.floor(nowSecs) + secs, EXPIRY_MAX);
}

function fromTime(ms: number): number {
  const secs = Math.floor(ms / 1000);
  // Times before 1970 are long past; 0 would mean never.
  if (Number.isNaN(secs) || secs > EXPIRY_MAX) throw invalid();
  return Math.max(secs, 1);
}

function invalid(): GatewayError {
  return new GatewayError(
    'badRequest',
    'The expiry must be a whole number of seconds, a Unix time, an ISO time with zone, or null',
  );
}
