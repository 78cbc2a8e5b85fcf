import { randomUUID } from 'node:crypto';
import type { CollectionId } from '../bucket/bucket.ts';
import { GatewayError } from '../util/errors.ts';
import { planParts } from './plan-parts.ts';
import type { TaskPart, TaskState } from './task-state.ts';
import { NO_COUNTS } from './task-state.ts';
import type { StoredTask, TaskStore } from './task-store.ts';

export interface TaskBeginning {
  readonly databaseCreatedAt: string;
  /** What it is asked to do. */
  readonly asked: unknown;
  readonly collections: ReadonlyMap<string, CollectionId>;
  /** Parts beside the documents of the collections. */
  readonly otherParts?: readonly TaskPart[];
  /** Whether an earlier run that did not end well goes on, as it is asked now, not a new one. */
  goesOn(before: TaskState): boolean;
  readonly nowMs: number;
}

/** A new run, or one that goes on where it stopped. Throws `unavailable` where one is running. */
export async function beginTask(store: TaskStore, beginning: TaskBeginning): Promise<StoredTask> {
  const { databaseCreatedAt, asked, collections, otherParts: others, nowMs } = beginning;
  const version = await store.version();
  const before = await store.read(databaseCreatedAt);
  const status = before?.state.status;
  if (status === 'running' || status === 'stopping') throw isRunning();
  const unfinished = status === 'stopped' || status === 'error';
  if (before !== undefined && unfinished && beginning.goesOn(before.state)) {
    const { processed } = (await store.totals(before.state)).counts;
    const goingSince = { ms: nowMs, processed };
    const state = { ...before.state, asked, status: 'running', lastError: '', goingSince } as const;
    return begun(await store.write(state, before.cas));
  }
  const run = randomUUID();
  // NOTE: the parts first: a process that dies now leaves some that the next run removes.
  const targeted = await planParts(store, run, { collections, others });
  const startTime = new Date(nowMs).toISOString();
  const task = begun(
    await store.write(
      {
        run,
        databaseCreatedAt,
        status: 'running',
        startTime,
        goingSince: { ms: nowMs, processed: 0 },
        lastError: '',
        asked,
        targeted,
        counts: NO_COUNTS,
        errors: [],
      },
      version,
    ),
  );
  await store.removeParts(task);
  return task;
}

function begun(task: StoredTask | undefined): StoredTask {
  if (task === undefined) throw isRunning();
  return task;
}

function isRunning(): GatewayError {
  return new GatewayError('unavailable', 'it is running already');
}
