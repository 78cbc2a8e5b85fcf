import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** A folder in which files can grow only so far. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** What a gateway says of it once it is full. */
  readonly reason: RegExp;
  /** From now on its size counts for the process. */
  limit(pid: number): Promise<void>;
  /** Leaves no room whatever, for processes that are started from now on. */
  fillUp(): Promise<void>;
  /** Makes room, of which the process knows nothing. */
  makeRoom(pid: number): Promise<void>;
}

const MB = 1 << 20;
const DISK_MB = 16;
const BALLAST_MB = 10;

/**
 * A file system of its own in memory, which takes a right to mount. Where nobody gives it, a limit
 * of the kernel on the size of files, which fails the same writes with another code.
 */
export async function smallDisk(): Promise<SmallDisk> {
  await using opening = new AsyncDisposableStack();
  const { path: folder } = opening.use(await temporaryFolder());
  const mounted = run('mount', '-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder);
  if (mounted) opening.defer(() => void run('umount', '--lazy', folder));
  const open = opening.move();
  const disk = mounted ? fileSystem(folder) : fileSizeLimit(folder);
  return { ...disk, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** Files in a folder may have so many bytes each: always possible, and needs no rights. */
export async function smallFiles(): Promise<SmallDisk> {
  const { path: folder, [Symbol.asyncDispose]: dispose } = await temporaryFolder();
  return { ...fileSizeLimit(folder), [Symbol.asyncDispose]: dispose };
}

type Limits = Omit<SmallDisk, keyof AsyncDisposable>;

function fileSystem(folder: string): Limits {
  const ballast = path.join(folder, 'ballast');
  const fill = async (megabytes: number): Promise<void> => {
    // A write that does not fit leaves as much as does.
    await writeFile(ballast, Buffer.alloc(megabytes * MB)).catch(() => undefined);
  };
  return {
    path: folder,
    reason: /disk of the bucket is full/,
    limit: () => fill(BALLAST_MB),
    fillUp: () => fill(DISK_MB),
    makeRoom: () => rm(ballast),
  };
}

function fileSizeLimit(folder: string): Limits {
  const set = async (pid: number, bytes: string): Promise<void> => {
    if (!run('prlimit', `--pid=${pid}`, `--fsize=${bytes}:unlimited`))
      throw new Error('prlimit (of util-linux) cannot limit the size of files');
  };
  return {
    path: folder,
    reason: /disk of the bucket fails/,
    fillUp: () => set(process.pid, '0'),
    limit: (pid) => set(pid, `${(DISK_MB - BALLAST_MB) * MB}`),
    makeRoom: (pid) => set(pid, 'unlimited'),
  };
}

/** As root, or by whoever may become root without a password. */
function run(command: string, ...args: readonly string[]): boolean {
  const done = (name: string, all: readonly string[]): boolean =>
    spawnSync(name, all, { stdio: 'ignore' }).status === 0;
  return (
    done(command, args) || (process.getuid?.() !== 0 && done('sudo', ['-n', command, ...args]))
  );
}
