import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;
const KB = 1024;

/** Watches how much memory a process and all its descendants take together, in bytes (RSS). */
export class MemoryWatch implements AsyncDisposable {
  most = 0;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  constructor(pid: number) {
    this.#watching = this.#watch(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(pid: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.most = Math.max(this.most, memoryOf(pid));
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** What a process and its descendants take now. */
export const memoryOf = (pid: number): number =>
  [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + residentOf(each), 0);

/** The CPU that a process and its descendants have used, ms. */
export const cpuMsOf = (pid: number): number =>
  [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + ownCpuMs(each), 0);

/** Its children, their children, and so on. */
export function descendantsOf(pid: number): readonly number[] {
  const parents = new Map(processes().map((each) => [each, parentOf(each)]));
  const isBelow = (each: number): boolean => {
    const parent = parents.get(each);
    return parent !== undefined && (parent === pid || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

const processes = (): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);

function parentOf(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)/m.exec(statusOf(pid))?.[1];
  return parent === undefined ? undefined : Number(parent);
}

const residentOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(statusOf(pid))?.[1] ?? 0) * KB;

/** As `getconf CLK_TCK` has it on every Linux. */
const TICK_MS = 10;

function ownCpuMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    // It ended meanwhile.
    return 0;
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}
