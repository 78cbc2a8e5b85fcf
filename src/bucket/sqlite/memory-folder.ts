import { access, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';

const SHARED_MEMORY = '/dev/shm';
const PREFIX = 'tidegate-memory-';
/** A folder younger than this may belong to a process that is just opening its files. */
const LEFTOVER_AGE_MS = 60_000;

/**
 * A folder for buckets that are gone with the process, in shared memory where the system has it.
 * What processes that were killed left there is removed first.
 */
export async function memoryFolder(options: {
  readonly log: Log;
  readonly clock: Clock;
}): Promise<string> {
  const parent = (await isThere(SHARED_MEMORY)) ? SHARED_MEMORY : tmpdir();
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    try {
      await removeLeftover(join(parent, name), options.clock.now());
    } catch (cause) {
      // Another user's, or another process removes it at this moment.
      options.log.info?.('a folder of buckets in memory was left', { name, cause });
    }
  }
  return await mkdtemp(join(parent, PREFIX));
}

async function removeLeftover(folder: string, nowMs: number): Promise<void> {
  const { mtimeMs } = await stat(folder);
  if (mtimeMs > nowMs - LEFTOVER_AGE_MS) return;
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sqlite'));
  if (files.some((name) => isOpen(join(folder, name)))) return;
  await rm(folder, { recursive: true, force: true });
}

/** Whether a process has the file open: then it cannot be locked for one connection alone. */
function isOpen(path: string): boolean {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; ROLLBACK');
    return false;
  } catch {
    // Locked; or damaged, and then there is no saying.
    return true;
  } finally {
    db.close();
  }
}

/** Whether there is a file or folder of this path. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Whatever hides it, it is not there for us.
    return false;
  }
}
