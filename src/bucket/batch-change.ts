import type { Change, Judgement } from './bucket.ts';

/**
 * Changes that belong together: applied where its own preconditions and those of each hold, each
 * seeing the effects of those before it; else none is. The result is the last one's, `seq` the
 * last that was taken; where one's precondition failed, `at` tells which. At most BATCH_MAX, none
 * of them a batch.
 */
export interface BatchChange extends Judgement {
  readonly kind: 'batch';
  readonly changes: readonly Exclude<Change, BatchChange>[];
}
