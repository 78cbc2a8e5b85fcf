import type { Sequence } from '../document/types.ts';

/**
 * Sets of sequences during which something was granted, as periods. Pure. What comes out of here is
 * normal: in ascending order, without empty periods, and without two that overlap or touch, so
 * that a period is an unbroken time.
 */
export interface Period {
  /** Inclusive. */
  readonly from: Sequence;
  /** Exclusive; STILL where it has not ended. */
  readonly until: Sequence;
}

/** The end of a period that has not ended. */
export const STILL = Number.MAX_SAFE_INTEGER as Sequence;

/** The sequences that are in any of the periods, given in any order. */
export function unionPeriods(periods: readonly Period[]): readonly Period[] {
  const [only] = periods;
  if (periods.length === 1 && only !== undefined && only.from < only.until) return periods;
  const sorted = periods.filter((p) => p.from < p.until).sort((a, b) => a.from - b.from);
  const union: Period[] = [];
  for (const period of sorted) {
    const last = union.at(-1);
    if (last === undefined || last.until < period.from) union.push(period);
    else if (last.until < period.until) {
      union[union.length - 1] = { from: last.from, until: period.until };
    }
  }
  return union;
}

/** The sequences that are in both; each side must be normal. */
export function intersectPeriods(
  left: readonly Period[],
  right: readonly Period[],
): readonly Period[] {
  const both: Period[] = [];
  let l = 0;
  let r = 0;
  for (;;) {
    const a = left[l];
    const b = right[r];
    if (a === undefined || b === undefined) return both;
    const from = a.from > b.from ? a.from : b.from;
    const until = a.until < b.until ? a.until : b.until;
    if (from < until) both.push({ from, until });
    if (a.until < b.until) l += 1;
    else r += 1;
  }
}
