import { byScope } from '../resync/resync-view.ts';
import { pace } from '../resync/resync-details.ts';
import type { TaskError, TaskState, TaskStatus } from '../task-state.ts';
import type { TaskTotals } from '../task-store.ts';
import type { PlanReport } from './plan-report.ts';
import { planAskedSchema } from './plan-request.ts';

/** Where a plan stands, and what it found. */
export interface PlanView {
  readonly status: TaskStatus;
  readonly start_time: string;
  readonly last_error: string;
  readonly plan_id: string;
  readonly docs_targeted: number;
  readonly docs_processed: number;
  /** How many a resync would change. */
  readonly docs_changed: number;
  /** On how many the function breaks: they would stay as they are. */
  readonly docs_errored: number;
  /** The first hundred of them. */
  readonly errors: readonly TaskError[];
  readonly docs_per_second?: number;
  readonly seconds_left?: number;
  readonly collections_processing?: Readonly<Record<string, readonly string[]>>;
  /** Once it is completed. */
  readonly report?: PlanReport;
}

export const NO_PLAN: PlanView = {
  status: 'completed',
  start_time: '0001-01-01T00:00:00Z',
  last_error: '',
  plan_id: '',
  docs_targeted: 0,
  docs_processed: 0,
  docs_changed: 0,
  docs_errored: 0,
  errors: [],
};

export function planView(
  state: TaskState,
  totals: TaskTotals,
  more: {
    readonly trouble: string | undefined;
    readonly report: PlanReport | undefined;
    readonly nowMs: number;
  },
): PlanView {
  const { trouble, report, nowMs } = more;
  const { counts, errors } = totals;
  const isRunning = state.status === 'running';
  return {
    status: state.status,
    start_time: state.startTime,
    last_error: isRunning ? (trouble ?? state.lastError) : state.lastError,
    plan_id: state.run,
    docs_targeted: state.targeted,
    docs_processed: counts.processed,
    docs_changed: counts.changed,
    docs_errored: counts.errored,
    errors,
    ...(isRunning ? pace(state, totals, nowMs) : {}),
    collections_processing: byScope(planAskedSchema.parse(state.asked).collections),
    ...(report === undefined ? {} : { report }),
  };
}
