import { readFileSync } from 'node:fs';
import path from 'node:path';

/** One call of a traced process, in the order of the trace. */
export interface SystemCall {
  readonly name: string;
  /** What the descriptor is: a path, or `socket:[…]`. */
  readonly target: string;
  /** As strace prints it: bytes as characters, as far as they are text. */
  readonly data: string;
  /** Positions in the trace; a call that another thread interrupted ends later than it begins. */
  readonly begun: number;
  readonly ended: number;
  readonly failed: boolean;
}

/** The longest data of a call: a page of SQLite whole. */
const DATA_CHARS = 8192;
const TRACED = 'fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64,pwritev';

/** Runs a gateway so that `systemCalls` can read what it did once it has ended. */
export const traceInto = (folder: string): readonly string[] => [
  'strace',
  '-f',
  '-y',
  '-qq',
  `--string-limit=${DATA_CHARS}`,
  `--trace=${TRACED}`,
  '--signal=none',
  `--output=${traceOf(folder)}`,
];

const traceOf = (folder: string): string => path.join(folder, 'trace');

const WHOLE = /^(\d+) +(\w+)\(\d+<([^>]*)>(.*)\) += (-?\d+)/;
const BEGUN = /^(\d+) +(\w+)\(\d+<([^>]*)>(.*) <unfinished \.\.\.>$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)/;

export function systemCalls(folder: string): readonly SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, Omit<SystemCall, 'ended' | 'failed'>>();
  for (const [at, line] of readFileSync(traceOf(folder), 'latin1').split('\n').entries()) {
    const whole = WHOLE.exec(line);
    const begun = BEGUN.exec(line);
    const resumed = RESUMED.exec(line);
    if (whole !== null) {
      const [, , name = '', target = '', data = '', result] = whole;
      calls.push({ name, target, data, begun: at, ended: at, failed: Number(result) < 0 });
    } else if (begun !== null) {
      const [, thread = '', name = '', target = '', data = ''] = begun;
      open.set(thread, { name, target, data, begun: at });
    } else if (resumed !== null) {
      const [, thread = '', , result] = resumed;
      const call = open.get(thread);
      open.delete(thread);
      if (call !== undefined) calls.push({ ...call, ended: at, failed: Number(result) < 0 });
    }
  }
  return calls;
}
