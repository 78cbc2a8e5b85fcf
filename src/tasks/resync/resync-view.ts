import type { TaskState, TaskStatus } from '../task-state.ts';
import type { TaskTotals } from '../task-store.ts';
import { resyncAskedSchema } from './resync-request.ts';

/** Where a resync stands, in the reference's names. */
export interface ResyncView {
  readonly status: TaskStatus;
  readonly start_time: string;
  readonly last_error: string;
  readonly resync_id: string;
  readonly docs_changed: number;
  readonly docs_processed: number;
  readonly docs_errored: number;
  readonly docs_targeted: number;
  /** Only where it is true. */
  readonly online?: true;
  readonly collections_processing?: Readonly<Record<string, readonly string[]>>;
}

/** As the reference tells of what never ran. */
export const NEVER_RAN: ResyncView = {
  status: 'completed',
  start_time: '0001-01-01T00:00:00Z',
  last_error: '',
  resync_id: '',
  docs_changed: 0,
  docs_processed: 0,
  docs_errored: 0,
  docs_targeted: 0,
};

export function resyncView(
  state: TaskState,
  { counts }: TaskTotals,
  trouble: string | undefined,
): ResyncView {
  const asked = resyncAskedSchema.parse(state.asked);
  return {
    status: state.status,
    start_time: state.startTime,
    last_error: state.status === 'running' ? (trouble ?? state.lastError) : state.lastError,
    resync_id: state.run,
    docs_changed: counts.changed,
    docs_processed: counts.processed,
    docs_errored: counts.errored,
    docs_targeted: state.targeted,
    ...(asked.online ? { online: true } : {}),
    collections_processing: byScope(asked.collections),
  };
}

/** Names of collections by scope. */
export function byScope(fullNames: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const scopes: Record<string, string[]> = {};
  for (const fullName of fullNames) {
    const at = fullName.indexOf('.');
    (scopes[fullName.slice(0, at)] ??= []).push(fullName.slice(at + 1));
  }
  return scopes;
}
