import { setTimeout as sleep } from 'node:timers/promises';

/** How far a task is, as its status tells. */
export interface TaskProgress {
  readonly status: string;
  readonly docs_processed: number;
  readonly docs_targeted: number;
  readonly docs_per_second?: number;
  readonly seconds_left?: number;
}

const LOOK_EVERY_MS = 300;
const BAR_CHARS = 30;
/** Where nobody looks at a screen, a line is written with each so many per cent, and at the end. */
const LINE_EVERY_PERCENT = 10;

/** Shows on standard error how far a task is, until it has ended; gives its last status. */
export async function watchTask<T extends TaskProgress>(read: () => Promise<T>): Promise<T> {
  const { stderr } = process;
  let lastPercent = -LINE_EVERY_PERCENT;
  for (;;) {
    const now = await read();
    const isOver = now.status !== 'running' && now.status !== 'stopping';
    const line = progressLine(now);
    if (stderr.isTTY) stderr.write(`\r\u{1b}[K${line}${isOver ? '\n' : ''}`);
    else if (isOver || percentOf(now) >= lastPercent + LINE_EVERY_PERCENT) {
      lastPercent = percentOf(now);
      stderr.write(`${line}\n`);
    }
    if (isOver) return now;
    await sleep(LOOK_EVERY_MS);
  }
}

function percentOf({ docs_processed: done, docs_targeted: all }: TaskProgress): number {
  return all === 0 ? 100 : Math.min(Math.floor((done / all) * 100), 100);
}

/** A bar, how many documents of how many, how fast, and how long it still takes. */
export function progressLine(progress: TaskProgress): string {
  const percent = percentOf(progress);
  const filled = Math.floor((percent * BAR_CHARS) / 100);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_CHARS - filled)}]`;
  const { docs_per_second: rate, seconds_left: left } = progress;
  return [
    bar,
    `${String(percent).padStart(3)} %`,
    `${progress.docs_processed} of ${progress.docs_targeted} documents`,
    ...(rate === undefined ? [] : [`${rate}/s`]),
    ...(left === undefined ? [] : [`${left} s left`]),
  ].join('  ');
}
