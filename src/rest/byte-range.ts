import { GatewayError } from '../util/errors.ts';

export interface ByteRange {
  /** Inclusive. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The one range of bytes that a `Range` header asks for. Undefined where there is none, or one of
 * several or in another unit, which the reference answers with everything (recorded in
 * attachments/read-headers). Throws `rangeNotSatisfiable` where it begins behind the end.
 */
export function parseRange(header: string | undefined, length: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
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
  new GatewayError('rangeNotSatisfiable', `there are only ${length} bytes`);
