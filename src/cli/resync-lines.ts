import { table } from './table.ts';
import type { TaskProgress } from './watch-task.ts';
import { progressLine } from './watch-task.ts';

interface Errors {
  readonly last_error: string;
  readonly docs_changed: number;
  readonly docs_errored: number;
  readonly errors: readonly { readonly id: string; readonly message: string }[];
}

export type ResyncStatus = TaskProgress &
  Errors & {
    readonly resync_id: string;
    readonly online?: true;
    readonly docs_routed_by_older_functions: number;
  };

interface Difference {
  readonly name: string;
  readonly docs_gained: number;
  readonly docs_lost: number;
}

export type PlanStatus = TaskProgress &
  Errors & {
    readonly plan_id: string;
    readonly report?: {
      readonly docs_refused: number;
      readonly refused: readonly { readonly id: string; readonly reason: string }[];
      readonly channels: readonly {
        readonly collection: string;
        readonly channel: string;
        readonly docs_entering: number;
        readonly docs_leaving: number;
      }[];
      readonly users: readonly Difference[];
      readonly roles: readonly Difference[];
      readonly estimated_seconds: number;
      readonly left_out: readonly string[];
    };
  };

/** Of each list on a screen; --json has all. */
const ROWS_MAX = 20;

/** Where a resync stands, for people. */
export function resyncLines(status: ResyncStatus): readonly string[] {
  const older = status.docs_routed_by_older_functions;
  const olderLine = `${older} documents are routed by older functions`;
  if (status.resync_id === '') return ['no resync has run', olderLine];
  const how = status.online === true ? ', with the database online' : '';
  return [
    `resync ${status.resync_id} is ${status.status}${how}`,
    ...troubleLine(status),
    progressLine(status),
    `${status.docs_changed} were changed; on ${status.docs_errored} the function breaks`,
    olderLine,
    ...errorLines(status),
  ];
}

/** Where a plan stands and what it found, for people. */
export function planLines(status: PlanStatus): readonly string[] {
  if (status.plan_id === '') return ['no plan has run'];
  return [
    `plan ${status.plan_id} is ${status.status}`,
    ...troubleLine(status),
    progressLine(status),
    `${status.docs_changed} would be changed; on ${status.docs_errored} the function breaks`,
    ...errorLines(status),
    ...(status.report === undefined ? [] : reportLines(status.report)),
  ];
}

function troubleLine({ last_error: error }: Errors): readonly string[] {
  return error === '' ? [] : [`trouble: ${error}`];
}

function errorLines({ errors }: Errors): readonly string[] {
  return section(
    ['document', 'breaks with'],
    errors.map(({ id, message }) => [id, message]),
  );
}

function reportLines(report: NonNullable<PlanStatus['report']>): readonly string[] {
  const channels = report.channels.map((each) => [
    each.channel,
    each.collection,
    String(each.docs_entering),
    String(each.docs_leaving),
  ]);
  return [
    `the function refuses ${report.docs_refused}`,
    `a resync with the database offline would take about ${report.estimated_seconds} s`,
    ...section(
      ['document', 'refused with'],
      report.refused.map(({ id, reason }) => [id, reason]),
    ),
    ...section(['channel', 'collection', 'documents in', 'documents out'], channels),
    ...section(['user', 'gains', 'loses'], report.users.map(differenceRow)),
    ...section(['role', 'gains', 'loses'], report.roles.map(differenceRow)),
    ...report.left_out.map((what) => `left out: ${what}`),
  ];
}

function differenceRow(each: Difference): readonly string[] {
  return [each.name, String(each.docs_gained), String(each.docs_lost)];
}

/** An empty line and a table; nothing where there are no rows. */
function section(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  if (rows.length === 0) return [];
  const more = rows.length - ROWS_MAX;
  return [
    '',
    ...table(titles, rows.slice(0, ROWS_MAX)),
    ...(more > 0 ? [`… and ${more} more; --json has them`] : []),
  ];
}
