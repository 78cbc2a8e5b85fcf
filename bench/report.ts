import { GOALS } from './goals.ts';

/** One line of bench/shared/load.mjs, or of `lib/import-load.ts`. */
export interface Measurement {
  readonly workload: string;
  readonly yardsticks?: number;
  readonly per_s?: number;
  readonly cpu_ms_per_op?: number;
  readonly rss_mb?: number;
  readonly p50_ms?: number;
  readonly p99_ms?: number;
  readonly kb_per_idle_feed?: number;
  readonly n?: number;
  readonly seconds?: number;
  readonly yardstick_ms?: number;
  /** Of a load: how long each tenth of it took. */
  readonly ms_per_tenth?: readonly number[];
}

const COLUMNS = ['workload', 'yardsticks', 'goal', 'reference', '/s', 'CPU-ms', 'more'] as const;

/** The measurements as a table, each with its goal and the reference's figure. */
export function report(measurements: readonly Measurement[]): string {
  return table([COLUMNS, ...measurements.map(row)]);
}

/** Workloads that cost more than their goal. */
export function beyondGoal(measurements: readonly Measurement[]): readonly string[] {
  return measurements
    .filter(({ workload, yardsticks = 0 }) => yardsticks > (goalOf(workload)?.goal ?? Infinity))
    .map(({ workload }) => workload);
}

/** Columns as wide as their widest cell, the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? '').length)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function row(measured: Measurement): readonly string[] {
  const goal = goalOf(measured.workload);
  const { p50_ms: p50, p99_ms: p99, kb_per_idle_feed: idle, rss_mb: rss } = measured;
  const { ms_per_tenth: tenths } = measured;
  const more = [
    ...(p50 === undefined ? [] : [`p50 ${p50} ms, p99 ${p99 ?? '?'} ms`]),
    ...(idle === undefined ? [] : [`${idle} KB a feed`]),
    ...(tenths === undefined ? [] : [`tenths of ${tenths.join(' ')} ms`]),
    ...(rss === undefined ? [] : [`${rss} MB`]),
  ];
  return [
    measured.workload,
    figure(measured.yardsticks),
    figure(goal?.goal),
    figure(goal?.reference),
    figure(measured.per_s),
    figure(measured.cpu_ms_per_op),
    more.join('; '),
  ];
}

function goalOf(workload: string): (typeof GOALS)[number] | undefined {
  return GOALS.find((goal) => workload.startsWith(goal.workload));
}

function figure(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}
