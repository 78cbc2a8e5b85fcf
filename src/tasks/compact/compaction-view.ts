import type { TaskCounts, TaskState, TaskStatus } from '../task-state.ts';

/** What is removed: old tombstones, or attachments that nothing refers to. */
export type CompactionType = 'tombstone' | 'attachment';

/** Where a compaction stands, in the reference's names. */
export type CompactionView = TombstoneView | AttachmentView;

interface Standing {
  readonly status: TaskStatus;
  readonly start_time: string;
  readonly last_error: string;
  readonly dry_run?: true;
}

interface TombstoneView extends Standing {
  readonly docs_purged: number;
}

interface AttachmentView extends Standing {
  /** Of the bucket, that a document refers to. */
  readonly marked_attachments: number;
  readonly purged_attachments: number;
  readonly compact_id: string;
  /** Until it has ended. */
  readonly phase?: 'mark' | 'sweep';
}

export interface CompactionStanding {
  readonly state: TaskState;
  readonly counts: TaskCounts;
  readonly isDryRun: boolean;
  /** Whether it still goes through documents. */
  readonly isMarking: boolean;
  /** Why it does not get on for the moment. */
  readonly trouble: string | undefined;
}

/** `standing` undefined: it never ran, and is told as the reference does. */
export function compactionView(
  type: CompactionType,
  standing: CompactionStanding | undefined,
): CompactionView {
  if (standing === undefined) {
    const never = {
      status: 'completed',
      start_time: '0001-01-01T00:00:00Z',
      last_error: '',
    } as const;
    if (type === 'tombstone') return { ...never, docs_purged: 0 };
    return { ...never, marked_attachments: 0, purged_attachments: 0, compact_id: '' };
  }
  const { state, counts, isDryRun, isMarking, trouble } = standing;
  const told: Standing = {
    status: state.status,
    start_time: state.startTime,
    last_error: (state.status === 'running' ? trouble : undefined) ?? state.lastError,
    ...(isDryRun ? { dry_run: true } : {}),
  };
  if (type === 'tombstone') return { ...told, docs_purged: counts.changed };
  return {
    ...told,
    marked_attachments: counts.processed - counts.changed,
    purged_attachments: counts.changed,
    compact_id: state.run,
    ...(state.status === 'completed' ? {} : { phase: isMarking ? 'mark' : 'sweep' }),
  };
}
