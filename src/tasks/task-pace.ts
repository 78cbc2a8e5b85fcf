/** How a process goes through the documents of a task, with regard to who else uses the bucket. */
export interface TaskPace {
  /** Documents of one commit: other writers of the bucket wait for it. */
  readonly stepDocuments: number;
  /** Parts that a process works on at once: while one commits, the other reads and computes. */
  readonly partsAtOnce: number;
  /** How long it rests after a step, as a share of the time that the step took. */
  readonly restShare: number;
}

/** Where nobody else is served, or little is done with a document. */
export const QUICK: TaskPace = { stepDocuments: 500, partsAtOnce: 2, restShare: 0 };

/** Beside requests, which are not to feel it (`bench/resync-online.ts`). */
export const GENTLE: TaskPace = { stepDocuments: 25, partsAtOnce: 1, restShare: 1 };

/** The same where documents are only looked at: a commit is short. */
export const GENTLE_LOOK: TaskPace = { stepDocuments: 100, partsAtOnce: 1, restShare: 1 };
