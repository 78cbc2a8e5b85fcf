import { DATABASE_OPTIONS } from '../src/config/database-options.ts';
import type { Option, OptionEntry, OptionStatus, OptionTable } from '../src/config/option.ts';
import { STARTUP_OPTIONS } from '../src/config/startup-options.ts';
import type { AuditEvent } from '../src/observability/audit/audit-event.ts';
import { AUDIT_EVENTS } from '../src/observability/audit/audit-events.ts';
import { METRICS } from '../src/observability/metric-table.ts';

/** The page of all options, made from the tables that the gateway itself reads. */
export function configurationPage(): string {
  return [
    INTRODUCTION,
    '## Start-up configuration\n',
    STARTUP_TEXT,
    sections(STARTUP_OPTIONS, ''),
    '## Database configuration\n',
    DATABASE_TEXT,
    sections(DATABASE_OPTIONS, ''),
  ].join('\n');
}

/** The page of all metrics. */
export function metricsPage(): string {
  const rows = Object.entries(METRICS).map(([key, metric]) => {
    const name = `sgw_${metric.group}_${'name' in metric ? metric.name : key}`;
    return row([code(name), metric.kind, metric.unit, metric.per, metric.about]);
  });
  return [
    METRICS_TEXT,
    row(['metric', 'kind', 'unit', 'per', 'meaning']),
    rule(5),
    ...rows,
    '',
  ].join('\n');
}

/** The page of all events of the audit log. */
export function auditEventsPage(): string {
  const rows = Object.values<AuditEvent>(AUDIT_EVENTS)
    .toSorted((a, b) => a.id - b.id)
    .map((event) =>
      row([
        String(event.id),
        event.name,
        event.description,
        event.scope,
        event.type,
        event.isFilterable ? (event.isDefault ? 'on' : 'off') : 'always on',
        event.isTold ? 'told' : 'later',
        event.fields.map(code).join(', '),
      ]),
    );
  const head = ['id', 'name', 'description', 'scope', 'type', 'by default', 'here', 'fields'];
  return [AUDIT_TEXT, row(head), rule(head.length), ...rows, ''].join('\n');
}

const INTRODUCTION = `# Configuration

This page is made by \`npm run docs\` from the tables in \`src/config/\`; do not edit it.

Names, types and defaults are Sync Gateway's (3.x), so that its files can be used; where a default
differs, the table tells ours. A property that is unknown, of a wrong type or out of its range is
refused with its name, and all mistakes are told at once. \`null\` means that a property is absent.

In the column *here*:

- **acts**: it does what it says. *live*: for a start-up option, it can be changed without a restart.
- **Couchbase**: only a Couchbase Server could use it. Accepted, without effect, with a warning.
- **no effect**: what it tunes does not exist or needs no tuning here. Accepted; a warning where it
  is not the default.
- **later**: this version does not have it. Refused, unless its value asks for no more than what the
  gateway does anyway.

The value of a *secret* is never shown: not in answers, not in the log, not in messages.
`;

const STARTUP_TEXT = `The file that \`--config\` names. It is JSON, and beside it may have \`//\` and \`/* */\` comments,
strings between backticks that go over several lines (for functions), and a comma after the last
element. A property that stands twice is refused. Durations are written as in Go: \`"500ms"\`,
\`"5s"\`, \`"1m30s"\`. \`\${NAME}\` stands for an environment variable
([operations.md](operations.md#environment-variables)).

The names of Sync Gateway 1.x and 2.x (\`interface\`, \`adminInterface\`, \`log\`, \`CORS\`, …) are read
as the newer ones that the table has, and so is \`databases\` ([migration.md](migration.md)).
\`tidegate check-config FILE\` tells all that is wrong with a file, without starting.

Flags stand above environment variables, and those above the file:

| flag | environment variable | the same as |
| --- | --- | --- |
| \`--config FILE\` | \`TIDEGATE_CONFIG\` | the file itself |
| \`--data-dir DIR\` | \`TIDEGATE_DATA_DIR\` | \`bootstrap.server\`: \`sqlite:DIR\` |
| \`--public-interface HOST:PORT\` | \`TIDEGATE_PUBLIC_INTERFACE\` | \`api.public_interface\` |
| \`--admin-interface HOST:PORT\` | \`TIDEGATE_ADMIN_INTERFACE\` | \`api.admin_interface\` |
| \`--metrics-interface HOST:PORT\` | \`TIDEGATE_METRICS_INTERFACE\` | \`api.metrics_interface\` |
| \`--log-level LEVEL\` | \`TIDEGATE_LOG_LEVEL\` | \`logging.console.log_level\` |
| \`--disable-persistent-config\` | | \`disable_persistent_config\` |

Without a file, the sample database \`demo\` is served: requests without credentials may read and
write everything in it.
`;

const DATABASE_TEXT = `The body of \`PUT /{db}/\` and of \`PUT\` and \`POST /{db}/_config\` on the admin interface. It is kept
in the bucket. A database's name begins with a small letter and goes on with small letters, digits
and \`_ $ ( ) + - /\`. \`users.GUEST\`, the older place of \`guest\`, is accepted too. In the place of a
function may stand its URL (\`http://\`, \`https://\`): it is read once, when the configuration is sent,
and kept as text. \`\${NAME}\` stands for an environment variable, except in functions.
`;

const METRICS_TEXT = `# Metrics

This page is made by \`npm run docs\` from \`src/observability/metric-table.ts\`; do not edit it.

\`GET /metrics\` on the metrics interface tells them in Prometheus' text form. Names and units are
Sync Gateway's. Those per database have the label \`database\`. \`sgw_up\` is 1.
`;

const AUDIT_TEXT = `# Events of the audit log

This page is made by \`npm run docs\` from the tables in \`src/observability/audit/\`; do not edit it.
[audit.md](audit.md) tells how the log is switched on and what its lines look like.

Ids, names and descriptions are Sync Gateway's. The *scope* says where an event is chosen: \`global\`
in the start-up configuration, \`database\` by each database. *here*: \`told\`, or \`later\`: its id is
accepted, but what it tells of does not exist yet. *fields* are those beside what every line has.
`;

const STATUS_WORDS: Readonly<Record<OptionStatus, string>> = {
  acts: 'acts',
  couchbase: 'Couchbase',
  unneeded: 'no effect',
  later: 'later',
};

function sections(table: OptionTable, path: string): string {
  const rows: string[] = [];
  const inner: string[] = [];
  for (const [name, entry] of Object.entries(table)) {
    const at = path === '' ? name : `${path}.${name}`;
    if (entry.kind === 'option') rows.push(optionRow(name, entry));
    else inner.push(`### ${code(shownPath(entry, at))}\n\n${entry.about}\n`, section(entry, at));
  }
  const head = [row(['property', 'value', 'default', 'here', 'meaning']), rule(5)];
  const own = rows.length === 0 ? [] : [[...head, ...rows, ''].join('\n')];
  return [...own, ...inner].join('\n');
}

/** What is in a group, or in whatever stands in a map or a list. */
function section(entry: OptionEntry, path: string): string {
  if (entry.kind === 'group') return sections(entry.options, path);
  if (entry.kind === 'list') return section(entry.each, `${path}[]`);
  return entry.kind === 'map' ? section(entry.each, `${path}.{${entry.placeholder}}`) : '';
}

/** With the names that the administrator chooses. */
function shownPath(entry: OptionEntry, path: string): string {
  if (entry.kind === 'list') return `${path}[]`;
  if (entry.kind !== 'map') return path;
  return shownPath(entry.each, `${path}.{${entry.placeholder}}`);
}

function optionRow(name: string, entry: Option<unknown>): string {
  const marks = [
    STATUS_WORDS[entry.status],
    ...(entry.live ? ['live'] : []),
    ...(entry.secret === 'no' ? [] : ['secret']),
  ];
  const preset = entry.default === undefined ? '' : code(JSON.stringify(entry.default));
  return row([code(name), entry.type.says, preset, marks.join(', '), entry.about]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function rule(columns: number): string {
  return `|${' --- |'.repeat(columns)}`;
}

function code(text: string): string {
  return `\`${text}\``;
}
