import type { Change, Judgement, RecordChange } from '../bucket/bucket.ts';
import type { BatchChange } from '../bucket/batch-change.ts';
import type { TaskPart } from './task-state.ts';

/** What a kind of task does with documents; the runner does the rest. */
export interface TaskWork {
  /**
   * What becomes of the next documents of a part, at most `limit`, after its cursor; nothing is
   * written. Throws `unavailable` for what is worth another try.
   */
  read(part: TaskPart, limit: number): Promise<TaskStep>;
  /** Parts of a later phase wait until those of all earlier ones are done; absent: all are 0. */
  phaseOf?(part: TaskPart): number;
  /** Where more than this share of the documents broke, of at least `from`, the run ends. */
  readonly brokenMax?: { readonly share: number; readonly from: number };
}

export interface TaskStep {
  /** In the order of their keys; each counts as processed, unless it says otherwise. */
  readonly items: readonly TaskItem[];
  /** The last key that was looked at; undefined: there is nothing more. */
  readonly last: string | undefined;
  /** What must hold when they are committed. */
  readonly judgement?: Judgement;
  /** Records that are written with it, for the part of that id. */
  records?(partId: string): readonly RecordChange[];
  /** Those of its items are written that are given. */
  readonly committed?: (items: readonly TaskItem[]) => void;
}

export interface TaskItem {
  readonly key: string;
  /** Absent: it stays as it is. */
  readonly change?: Exclude<Change, BatchChange>;
  /** What it changes is no document's present: it counts neither as processed nor as changed. */
  readonly isAside?: boolean;
  /** Whether it counts as changed though it has no change: it would be changed. */
  readonly wouldChange?: boolean;
  /** Why it could not be dealt with. */
  readonly error?: string;
}
