import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { until } from './until.ts';

/** Other processes commit meanwhile, each time for a moment. */
const LOCK_WITHIN_MS = 1000;

/**
 * Pauses a process where it does not hold the lock of a bucket's file: inside of a commit it would
 * keep every other writer out, for as long as it is paused.
 */
export async function pauseBetweenCommits(pid: number, path: string): Promise<void> {
  assert(existsSync(path));
  for (;;) {
    process.kill(pid, 'SIGSTOP');
    // Until a thread has taken the signal, the others go on: one may begin a commit.
    await until('the process is paused', () => (isPaused(pid) ? true : undefined));
    if (canBeLocked(path)) return;
    process.kill(pid, 'SIGCONT');
    await nextTurn();
  }
}

/** All its threads, as `/proc` tells. */
function isPaused(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}

function canBeLocked(path: string): boolean {
  using db = new DatabaseSync(path, { timeout: LOCK_WITHIN_MS });
  try {
    db.exec('BEGIN IMMEDIATE');
    db.exec('ROLLBACK');
    return true;
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw cause;
  }
}

const SQLITE_BUSY = 5;
