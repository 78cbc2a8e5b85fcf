import type { Sequence } from '../document/types.ts';
import { STILL, unionPeriods } from './grant-periods.ts';

/** A grant of one thing to one principal, by whatever source. */
export interface HistoryGrant {
  readonly id: number;
  readonly from: Sequence;
  /** 0: it still holds. */
  readonly until: Sequence;
  /** Whether it stands for several already, with gaps between them. */
  readonly merged: boolean;
}

/** The grant that stands for all of those that ended, and which of the others go. */
export interface MergedHistory {
  readonly id: number;
  readonly from: Sequence;
  readonly merged: boolean;
  readonly removed: readonly number[];
}

/**
 * From the grants of one thing to one principal: those of the unbroken periods that ended at or
 * before `upTo` become the one that ended last. Undefined where there is nothing to merge. Pure.
 *
 * NOTE: a grant that ended while another went on belongs to a period that has not ended, and stays:
 * else that period would begin earlier than it did.
 */
export function mergedHistory(
  grants: readonly HistoryGrant[],
  upTo: Sequence,
): MergedHistory | undefined {
  const periods = unionPeriods(
    grants.map(({ from, until }) => ({ from, until: until === 0 ? STILL : until })),
  ).filter(({ until }) => until <= upTo);
  const end = periods.at(-1)?.until;
  if (end === undefined) return undefined;
  const ended = grants.filter(({ until }) => until > 0 && until <= end);
  const kept = ended.findLast(({ until }) => until === end);
  if (kept === undefined || ended.length < 2) return undefined;
  return {
    id: kept.id,
    from: ended.reduce((first, { from }) => (from < first ? from : first), kept.from),
    merged: periods.length > 1 || ended.some(({ merged }) => merged),
    removed: ended.flatMap(({ id }) => (id === kept.id ? [] : [id])),
  };
}
