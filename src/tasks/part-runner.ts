import type { Change, CommitResult } from '../bucket/bucket.ts';
import type { HeldLease } from '../cluster/held-lease.ts';
import { must } from '../util/assert.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { RunningTask } from './running-task.ts';
import { QUICK } from './task-pace.ts';
import type { TaskPart } from './task-state.ts';
import { addCounts, addErrors } from './task-state.ts';
import type { StoredPart, StoredTask } from './task-store.ts';
import type { TaskItem, TaskStep } from './task-work.ts';

/** What the store cannot do now is tried again after this, doubled each time up to the second. */
const PAUSE_MS_FIRST = 100;
const PAUSE_MS_MOST = 5000;
/** The longest rest: a step in which functions went past their time says nothing of the disk. */
const REST_MS_MOST = 250;

type Ended = 'done' | 'lost' | 'task changed';

/**
 * Works on a part of a task, from its cursor to its end. Each step is one transaction: documents,
 * cursor and counts, under the part's lease, and only while the task runs. So whenever a process
 * ends, another one goes on after the last document that is counted; and one that was paused past
 * its lease, or missed that the task was stopped, changes nothing more.
 */
export async function runPart(
  running: RunningTask,
  task: StoredTask,
  { stored, held }: { readonly stored: StoredPart; readonly held: HeldLease },
): Promise<Ended> {
  let current = stored;
  const { stepDocuments, restShare } = running.pace ?? QUICK;
  let limit = stepDocuments;
  let pauseMs = PAUSE_MS_FIRST;
  while (!current.part.done) {
    if (running.signal.aborted || held.lost.aborted) return 'lost';
    const beganMs = running.clock.now();
    let result: StepResult;
    try {
      result = await runStep(running, task, { stored: current, held, limit });
    } catch (cause) {
      if (!isGatewayError(cause, 'unavailable')) throw cause;
      running.inTrouble(cause.message);
      await running.clock.sleep(pauseMs, AbortSignal.any([running.signal, held.lost]));
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MOST);
      continue;
    }
    if ('part' in result) {
      running.inTrouble(undefined);
      current = result;
      limit = stepDocuments;
      pauseMs = PAUSE_MS_FIRST;
      if (result.endsTask) return 'task changed';
      await rest(running, (running.clock.now() - beganMs) * restShare, held.lost);
    } else if (result.failed === 'lease') return 'lost';
    else if (result.failed === 'function') throw functionChanged();
    else if (result.isOfDocument) limit = Math.max(1, Math.floor(limit / 2));
    else return 'task changed';
  }
  return 'done';
}

async function rest({ clock, signal }: RunningTask, ms: number, lost: AbortSignal): Promise<void> {
  if (ms > 0) await clock.sleep(Math.min(ms, REST_MS_MOST), AbortSignal.any([signal, lost]));
}

type StepResult =
  | (StoredPart & { readonly endsTask: boolean })
  | { readonly failed: string; readonly isOfDocument: boolean };

async function runStep(
  running: RunningTask,
  task: StoredTask,
  at: { readonly stored: StoredPart; readonly held: HeldLease; readonly limit: number },
): Promise<StepResult> {
  const { stored, held, limit } = at;
  const { work, store } = running;
  const step = await work.read(stored.part, limit);
  const { items, isBroken, last } = await upToTooManyErrors(running, { task, step });
  const part = advanced(stored.part, items, last);
  const documents = items.flatMap(({ change }) => change ?? []);
  const changes: Exclude<Change, { kind: 'batch' }>[] = [
    ...documents,
    ...(step.records?.(stored.id) ?? []),
    {
      ...store.partChange(stored.id, part),
      ifCas: stored.cas,
      ifRecord: { record: store.record, cas: task.cas },
      lease: held.lease,
    },
  ];
  if (isBroken !== undefined)
    changes.push(store.change({ ...task.state, status: 'error', lastError: isBroken }));
  const [result] = await store.bucket.commit([{ kind: 'batch', ...step.judgement, changes }]);
  const committed: CommitResult = must(result, 'one result for each change');
  if (committed.ok) {
    step.committed?.(items);
    return { id: stored.id, part, cas: committed.cas, endsTask: isBroken !== undefined };
  }
  const isOfDocument = committed.at !== undefined && committed.at < documents.length;
  return { failed: committed.failed, isOfDocument };
}

/**
 * The step as far as it may go: where too many documents break, up to the one that is too many, and
 * then the task ends, before more are routed by such a function.
 */
async function upToTooManyErrors(
  { work, store }: RunningTask,
  { task, step }: { readonly task: StoredTask; readonly step: TaskStep },
): Promise<{
  readonly items: readonly TaskItem[];
  readonly isBroken?: string;
  readonly last: string | undefined;
}> {
  const { items, last } = step;
  const { brokenMax } = work;
  if (brokenMax === undefined || items.every(({ error }) => error === undefined))
    return { items, last };
  const others = (await store.totals(task.state)).counts;
  let { processed, errored } = others;
  for (const [at, { key, error }] of items.entries()) {
    processed++;
    if (error !== undefined) errored++;
    if (processed < brokenMax.from || errored <= processed * brokenMax.share) continue;
    const isBroken =
      `the sync function breaks on ${errored} of the first ${processed} documents; ` +
      `the last: ${error ?? lastError(items.slice(0, at))}`;
    return { items: items.slice(0, at + 1), isBroken, last: key };
  }
  return { items, last };
}

function lastError(items: readonly TaskItem[]): string {
  return items.findLast(({ error }) => error !== undefined)?.error ?? 'in an earlier part';
}

function advanced(part: TaskPart, items: readonly TaskItem[], last: string | undefined): TaskPart {
  const { collection } = part;
  const broken = items.flatMap(({ key: id, error: message }) =>
    message === undefined ? [] : [{ collection, id, message }],
  );
  const counting = items.filter(({ isAside }) => isAside !== true);
  const changed = counting.filter(({ change, wouldChange }) => change ?? wouldChange).length;
  return {
    ...part,
    cursor: last ?? part.upTo,
    done: last === undefined || last === part.upTo,
    counts: addCounts(part.counts, {
      processed: counting.length,
      changed,
      errored: broken.length,
    }),
    errors: addErrors(part.errors, broken),
  };
}

function functionChanged(): GatewayError {
  return new GatewayError(
    'conflict',
    'the sync function was changed while its documents went through it; start the resync again',
  );
}
