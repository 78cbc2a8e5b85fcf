import { GatewayError } from '../util/errors.ts';

export interface ByteRange {
  /** Inclusive. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * Whether a range may be answered: not where `If-Range` names another state than this (RFC 9110
 * §13.1.5), which whoever has the beginning of that must not get the end of. A date never is this
 * state: attachments have none.
 */
export function isRangeMeant(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}

/**
 * The one range of bytes that a `Range` header asks for. Undefined where there is none, or one of
 * several or in another unit, which the reference answers with everything (recorded in
 * attachments/read-headers). Throws `rangeNotSatisfiable` where it begins behind the end.
 */
export function parseRange(header: string | undefined, length: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const start = Math.max(0, length - Number(last));
    if (start >= length) throw outside(length);
    return { start, end: length };
  }
  const start = Number(first);
  const end = last === '' ? length : Math.min(length, Number(last) + 1);
  if (start >= length) throw outside(length);
  return end <= start ? undefined : { start, end };
}

const outside = (length: number): GatewayError =>
  new GatewayError('rangeNotSatisfiable', `there are only ${length} bytes`, {
    details: { length },
  });
