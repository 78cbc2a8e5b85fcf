import { z } from 'zod';
import type { AuditEvent } from '../observability/audit/audit-event.ts';
import { auditEvent } from '../observability/audit/audit-events.ts';
import type { DatabaseAuditOptions } from '../observability/audit/audit-selection.ts';
import { isEmpty } from './harmless.ts';
import { group, laterOption, option } from './option.ts';
import type { Values } from './option.ts';
import type { ValueType } from './value-type.ts';
import { anything, duration, flag, integer, listOf, text } from './value-type.ts';

const eventIds = listOf(integer(1, 1_000_000));

const MEGABYTES_MAX = 1_048_576;
const DAYS_MAX = 36_500;

/** `logging.audit` of the start-up configuration: the log, and what is told of the gateway. */
export const STARTUP_AUDIT = group(
  'The audit log of this node: who did what ([audit.md](audit.md)).',
  {
    enabled: option({
      type: flag,
      default: false,
      about: 'Whether there is one. What is told of a database its configuration says.',
    }),
    audit_log_file_path: option({
      type: text(1, 4096),
      default: undefined,
      about:
        'Where it is written: a file whose name ends in `.log`, or a folder, in which it is ' +
        '`audit.log`. The folder must be there. Needed where the audit log is enabled.',
    }),
    enabled_events: option({
      type: eventIds,
      default: undefined,
      about:
        'Ids of the global events that are told ([audit-events.md](audit-events.md)), beside those ' +
        'that always are. Default: those that are on by default.',
    }),
    rotation: group('When a new file is begun, and what is kept of the old ones.', {
      max_size: option({
        type: integer(1, MEGABYTES_MAX),
        default: 100,
        about: 'The longest that a file becomes, in MB.',
      }),
      max_age: option({
        type: integer(0, DAYS_MAX),
        default: 6,
        about: 'How long old files are kept, in days; 0: for ever.',
      }),
      rotated_logs_size_limit: option({
        type: integer(0, MEGABYTES_MAX),
        default: 1024,
        about: 'All old files together, in MB; the oldest go first. 0: without a limit.',
      }),
      rotation_interval: option({
        type: duration,
        default: '0',
        about: 'The longest that one file is written to; 0: by its size alone.',
      }),
      localtime: option({
        type: flag,
        default: false,
        about: 'Whether names of old files have the local time instead of UTC.',
      }),
    }),
  },
);

/** A user or role by name. `cbs`: of a Couchbase Server. */
export const auditedPrincipal = z.strictObject({
  domain: z.enum(['sgw', 'cbs']),
  name: z.string().min(1).max(250),
});

const principals: ValueType<readonly z.output<typeof auditedPrincipal>[]> = listOf({
  says: '{"domain": "sgw" or "cbs", "name": a name}',
  schema: auditedPrincipal,
});

/** `logging` of a database. */
export const DATABASE_LOGGING = group('Logs of this database alone.', {
  console: laterOption({
    type: anything,
    default: undefined,
    about: 'Log settings of this database alone.',
    isHarmless: isEmpty,
  }),
  audit: group('What the audit log tells of this database ([audit.md](audit.md)).', {
    enabled: option({
      type: flag,
      default: false,
      about: 'Whether it tells anything, on nodes that have an audit log.',
      live: true,
    }),
    enabled_events: option({
      type: eventIds,
      default: undefined,
      about:
        'Ids of the events that are told ([audit-events.md](audit-events.md)). Default: those that ' +
        'are on by default.',
      live: true,
    }),
    disabled_users: option({
      type: principals,
      default: [],
      about: 'Users of whom nothing is told: `[{"domain": "sgw", "name": "ann"}]`.',
      live: true,
    }),
    disabled_roles: option({
      type: principals,
      default: [],
      about: 'Roles: nothing is told of whoever has one of them.',
      live: true,
    }),
  }),
});

/** What is wrong with the ids of a list, each told by name. */
export function auditEventProblems(ids: readonly number[] = []): readonly string[] {
  const unknown = ids.filter((id) => auditEvent(id) === undefined);
  return unknown.length === 0 ? [] : [`${unknown.join(', ')}: no such audit event`];
}

/** Mistakes of `logging.audit` of the start-up configuration. */
export function startupAuditProblems(audit: Values<typeof STARTUP_AUDIT.options>): string[] {
  const { enabled, enabled_events: ids, audit_log_file_path: path } = audit;
  const problems = auditEventProblems(ids).map((what) => `logging.audit.enabled_events: ${what}`);
  if (enabled && path === undefined)
    problems.push('logging.audit.audit_log_file_path: must be set where the audit log is enabled');
  return problems;
}

/** Ids that are accepted and have no effect where they stand. */
export function startupAuditWarnings({
  enabled_events: ids = [],
}: Values<typeof STARTUP_AUDIT.options>): readonly string[] {
  const where = 'start-up configuration: logging.audit.enabled_events';
  return [...withoutEffect(where, ids), ...misplaced(where, ids, 'database')];
}

/** The same of a database. */
export function databaseAuditWarnings(
  database: string,
  { enabled_events: ids = [], disabled_users: users, disabled_roles: roles }: DatabaseAuditOptions,
): readonly string[] {
  const where = `configuration of database ${database}: logging.audit`;
  const strangers = [...users, ...roles].filter(({ domain }) => domain === 'cbs');
  const names = strangers.map(({ name }) => name).join(', ');
  return [
    ...withoutEffect(`${where}.enabled_events`, ids),
    ...misplaced(`${where}.enabled_events`, ids, 'global'),
    ...(names === '' ? [] : [`${where}: nobody is of the domain cbs here: ${names}`]),
  ];
}

function withoutEffect(where: string, ids: readonly number[]): readonly string[] {
  const silent = ids.filter((id) => auditEvent(id)?.isTold === false);
  return silent.length === 0 ? [] : [`${where}: nothing tells these yet: ${silent.join(', ')}`];
}

function misplaced(
  where: string,
  ids: readonly number[],
  scope: AuditEvent['scope'],
): readonly string[] {
  const why = scope === 'global' ? 'are chosen at the start alone' : 'are chosen by each database';
  const others = ids.filter((id) => {
    const event = auditEvent(id);
    return event?.scope === scope && event.isFilterable;
  });
  return others.length === 0 ? [] : [`${where}: no effect, as they ${why}: ${others.join(', ')}`];
}
