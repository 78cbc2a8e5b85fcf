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
  readonly work: TaskWork;
  readonly member: ClusterMember;
  readonly databaseCreatedAt: string;
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
 * still running, for others or for this process when it is started again.
 */
export async function takePart(running: RunningTask): Promise<void> {
  try {
    running.begin?.();
    const { partsAtOnce } = running.pace ?? QUICK;
    await Promise.all(Array.from({ length: partsAtOnce }, () => runParts(running)));
    const reason: unknown = running.signal.reason;
    if (running.signal.aborted && isGatewayError(reason)) throw reason;
  } catch (cause) {
    if (running.signal.aborted && !isGatewayError(running.signal.reason)) return;
    const message = isGatewayError(cause) ? cause.message : 'internal error';
    running.log.error('a task has failed', { task: running.store.record.id, error: cause });
    await endTask(running, message);
  }
}

async function runParts(running: RunningTask): Promise<void> {
  const { clock, signal } = running;
  while (!signal.aborted) {
    try {
      if ((await runNextPart(running)) === 'task over') return;
    } catch (cause) {
      if (!isGatewayError(cause, 'unavailable')) throw cause;
      running.inTrouble(cause.message);
      await clock.sleep(LOOK_AGAIN_MS, signal);
    }
  }
}

async function runNextPart(running: RunningTask): Promise<'task over' | 'go on'> {
  const { store, databaseCreatedAt, clock, signal } = running;
  const task = await store.read(databaseCreatedAt);
  if (task?.state.status !== 'running') return 'task over';
  const next = await nextPart(running, task);
  if (next === 'all done' && (await complete(running, task))) return 'task over';
  if (next === 'all done' || next === 'all taken') await clock.sleep(LOOK_AGAIN_MS, signal);
  else {
    await using held = next.held;
    await runPart(running, task, { stored: next.stored, held });
  }
  return 'go on';
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
  if ((await store.write(completed, task.cas)) !== undefined) await store.removeParts();
  return true;
}

/** A task that cannot go on ends with an error, on all nodes. */
async function endTask(
  { store, databaseCreatedAt, log }: RunningTask,
  lastError: string,
): Promise<void> {
  try {
    const task = await store.read(databaseCreatedAt);
    if (task?.state.status !== 'running') return;
    await store.write({ ...task.state, status: 'error', lastError }, task.cas);
  } catch (cause) {
    log.error('the end of a task could not be stored', { error: cause });
  }
}
