import type { ClusterMember } from '../cluster/cluster-member.ts';
import type { HeldLease } from '../cluster/held-lease.ts';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { crc32c } from '../util/crc32c.ts';
import { isGatewayError } from '../util/errors.ts';
import { runPart } from './part-runner.ts';
import type { TaskPace } from './task-pace.ts';
import { QUICK } from './task-pace.ts';
import type { StoredPart, StoredTask, TaskStore } from './task-store.ts';
import type { TaskWork } from './task-work.ts';

/** How long a process that finds all parts taken waits before it looks again. */
const LOOK_AGAIN_MS = 500;

/** A task that this process takes part in. */
export interface RunningTask {
  readonly store: TaskStore;
  /** As this process has joined it: of what runs later, `work` knows nothing. */
  readonly task: StoredTask;
  readonly work: TaskWork;
  readonly member: ClusterMember;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when this process must leave; with a GatewayError where the task must end with it. */
  readonly signal: AbortSignal;
  /** Default: QUICK. */
  readonly pace?: TaskPace;
  /** Why it does not get on for the moment; undefined: it does. */
  inTrouble(reason: string | undefined): void;
  /** Before the first part; what it throws ends the task. */
  begin?(): void;
  /**
   * All parts are done, and the task about to be completed, perhaps by several processes at once;
   * `elsewhere`: another one is at it, and has to be waited for.
   */
  finish?(task: StoredTask): Promise<'done' | 'elsewhere'>;
}

/**
 * Takes part in a task until it has ended, however: completed by whoever does its last part,
 * stopped by request, or with an error. Returns early where the signal aborts; then the task is
 * still running, for others or for this process when it is started again. Whatever runs after it,
 * be it the same task that goes on, is left alone: it has to be joined anew.
 */
export async function takePart(running: RunningTask): Promise<void> {
  const { signal, pace = QUICK } = running;
  const over = new AbortController();
  const goThrough = async (): Promise<void> => {
    try {
      await runParts(running, over.signal);
    } catch (cause) {
      await fail(running, cause);
    } finally {
      over.abort();
    }
  };
  try {
    running.begin?.();
  } catch (cause) {
    return fail(running, cause);
  }
  await Promise.all(Array.from({ length: pace.partsAtOnce }, goThrough));
  if (signal.aborted && isGatewayError(signal.reason)) await fail(running, signal.reason);
}

async function fail(running: RunningTask, cause: unknown): Promise<void> {
  const { signal, store, log } = running;
  if (signal.aborted && !isGatewayError(signal.reason)) return;
  const message = isGatewayError(cause) ? cause.message : 'internal error';
  log.error('a task has failed', { task: store.record.id, error: cause });
  await endTask(running, message);
}

/** `over` aborts when another of these has found that the task is over, or could not go on. */
async function runParts(running: RunningTask, over: AbortSignal): Promise<void> {
  const { clock, signal } = running;
  while (!signal.aborted && !over.aborted) {
    try {
      if ((await runNextPart(running, over)) === 'task over') return;
    } catch (cause) {
      if (!isGatewayError(cause, 'unavailable')) throw cause;
      running.inTrouble(cause.message);
      await clock.sleep(LOOK_AGAIN_MS, signal);
    }
  }
}

async function runNextPart(
  running: RunningTask,
  over: AbortSignal,
): Promise<'task over' | 'go on'> {
  const { task, clock, signal } = running;
  if (!(await isRunning(running))) return 'task over';
  const next = await nextPart(running, task);
  if (next === 'all done' && (await complete(running, task))) return 'task over';
  if (next === 'all done' || next === 'all taken')
    await clock.sleep(LOOK_AGAIN_MS, AbortSignal.any([signal, over]));
  else {
    await using held = next.held;
    await runPart(running, task, { stored: next.stored, held });
  }
  return 'go on';
}

/** Whether it runs as this process has joined it. */
async function isRunning({ store, task }: RunningTask): Promise<boolean> {
  const stored = await store.read(task.state.databaseCreatedAt);
  return stored?.cas === task.cas && stored.state.status === 'running';
}

interface TakenPart {
  readonly stored: StoredPart;
  readonly held: HeldLease;
}

/** Takes the lease of a part that is not done. Processes begin at different ones. */
async function nextPart(
  { store, work, member, signal }: RunningTask,
  { state }: StoredTask,
): Promise<TakenPart | 'all done' | 'all taken'> {
  const left = (await store.parts(state.run)).filter(({ part }) => !part.done);
  if (left.length === 0) return 'all done';
  const phaseOf = ({ part }: StoredPart): number => work.phaseOf?.(part) ?? 0;
  const phase = left.reduce((least, each) => Math.min(least, phaseOf(each)), Infinity);
  const open = left.filter((each) => phaseOf(each) === phase);
  const first = crc32c(Buffer.from(member.nodeId)) % open.length;
  for (const { id } of [...open.slice(first), ...open.slice(0, first)]) {
    if (signal.aborted) break;
    const held = await member.hold(store.lease(id));
    if (held === undefined) continue;
    // Whoever had it before may have done it meanwhile.
    const stored = await store.readPart(id);
    if (stored !== undefined && !stored.part.done) return { stored, held };
    await held[Symbol.asyncDispose]();
  }
  return 'all taken';
}

/** One of all processes completes it; false where another one is about to. */
async function complete(running: RunningTask, task: StoredTask): Promise<boolean> {
  const { store } = running;
  if ((await running.finish?.(task)) === 'elsewhere') return false;
  const totals = await store.totals(task.state);
  const completed = { ...task.state, ...totals, status: 'completed' } as const;
  // NOTE: another process, or a request to stop, may have been faster: then it is as that one says.
  const stored = await store.write(completed, task.cas);
  if (stored !== undefined) await store.removeParts(stored);
  return true;
}

/** A task that cannot go on ends with an error, on all nodes; one that is over is as it ended. */
async function endTask({ store, task, log }: RunningTask, lastError: string): Promise<void> {
  if (task.state.status !== 'running') return;
  try {
    await store.write({ ...task.state, status: 'error', lastError }, task.cas);
  } catch (cause) {
    log.error('the end of a task could not be stored', { error: cause });
  }
}
