/** A workload of bench/shared/load.mjs: how its line is known, what it may cost, in yardsticks. */
export interface Goal {
  readonly only: string;
  /** The line's `workload` begins so. */
  readonly workload: string;
  readonly goal: number;
  /** The reference Sync Gateway, measured with the same tools; absent where it cannot be. */
  readonly reference?: number;
}

/** The bar, in the order of the report; a yardstick is the CPU of a bare `node:http` PUT. */
export const GOALS: readonly Goal[] = [
  { only: 'put', workload: 'put 1KB docs', goal: 5.5, reference: 11.8 },
  { only: 'bulk', workload: '_bulk_docs of 100', goal: 2.0, reference: 7.6 },
  { only: 'get', workload: 'get doc', goal: 2.2, reference: 7.7 },
  { only: 'update', workload: 'update doc', goal: 6.5, reference: 24 },
  { only: 'changes', workload: 'changes since=0, user with all docs', goal: 0.05, reference: 0.78 },
  { only: 'changes', workload: 'changes since=0 include_docs', goal: 0.12, reference: 2.5 },
  { only: 'import', workload: 'import of 1KB docs', goal: 2.0 },
  { only: 'fanout', workload: 'fan-out', goal: 0.1, reference: 0.3 },
];
