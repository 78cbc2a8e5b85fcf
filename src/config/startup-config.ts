import { startupAuditProblems, startupAuditWarnings } from './audit-options.ts';
import type { Findings, JsonObject } from './check-table.ts';
import { checkServerWebhooks } from './event-handlers.ts';
import { checkExpanded } from './check-expanded.ts';
import { isJsonObject, noFindings } from './check-table.ts';
import { parseConfigText } from './config-text.ts';
import type { Environment } from './environment.ts';
import { processEnvironment } from './environment.ts';
import type { FileDatabase, FileDatabases } from './file-databases.ts';
import { readFileDatabases, serverOf } from './file-databases.ts';
import { configurationError, warningsOf } from './findings.ts';
import { inOlderNames, OLDER_STARTUP_NAMES, withNewerNames } from './older-names.ts';
import type { WithNewerNames } from './older-names.ts';
import type { Values } from './option.ts';
import { SAMPLE_DATABASE } from './sample.ts';
import { setProperty } from './set-property.ts';
import { STARTUP_HINTS, STARTUP_OPTIONS } from './startup-options.ts';
import { isLoopback } from './value-type.ts';

/** What the gateway starts with, complete: property names are Sync Gateway's. */
export interface StartupConfig extends Values<typeof STARTUP_OPTIONS> {
  readonly bootstrap: Values<typeof STARTUP_OPTIONS>['bootstrap'] & { readonly server: string };
  /** What was given in the file, the environment and the flags: what `GET /_config` answers. */
  readonly given: JsonObject;
  /** For the log: what is accepted without effect. */
  readonly warnings: readonly string[];
  /** A database to create at the start, where there is none of that name. */
  readonly sample: SampleDatabase | undefined;
  /**
   * Databases of the file, which live on this node only; undefined: configurations are kept in
   * buckets.
   */
  readonly databases: readonly FileDatabase[] | undefined;
  /** What `${NAME}` stands for in configurations of databases; undefined: itself. */
  readonly variables: Environment | undefined;
}

export interface SampleDatabase {
  readonly name: string;
  /** As in the body of `PUT /{db}/`. */
  readonly config: JsonObject;
}

/** What flags and environment variables say; it stands above the file. */
export interface StartupFlags {
  readonly dataDir?: string;
  readonly publicInterface?: string;
  readonly adminInterface?: string;
  readonly metricsInterface?: string;
  readonly logLevel?: string;
  readonly disablePersistentConfig?: boolean;
}

/** Flag → where it stands in the file, and how it is written on the command line. */
const FLAGS = {
  dataDir: ['bootstrap', 'server', '--data-dir'],
  publicInterface: ['api', 'public_interface', '--public-interface'],
  adminInterface: ['api', 'admin_interface', '--admin-interface'],
  metricsInterface: ['api', 'metrics_interface', '--metrics-interface'],
  logLevel: ['logging', 'console.log_level', '--log-level'],
} as const satisfies Record<
  Exclude<keyof StartupFlags, 'disablePersistentConfig'>,
  readonly [string, string, string]
>;

const DEFAULT_SERVER = 'sqlite:data';

export interface StartupReading {
  /** Complete; what is wrong has its default. */
  readonly config: StartupConfig;
  /** Sentences that begin with the path of the property; none where all is right. */
  readonly problems: readonly string[];
}

/**
 * The start-up configuration from the text of the file (undefined: none; then there is the sample
 * database) and from flags. Throws one `badRequest` that names every mistake.
 */
export function parseStartup(
  text: string | undefined,
  flags: StartupFlags = {},
  environment: Environment = processEnvironment(),
): StartupConfig {
  const { config, problems } = readStartup(text, flags, environment);
  if (problems.length > 0)
    throw configurationError('start-up configuration', {
      ...noFindings(),
      problems: [...problems],
    });
  return config;
}

/** As `parseStartup`, for who looks on for further mistakes. Throws where the text is no JSON. */
export function readStartup(
  text: string | undefined,
  flags: StartupFlags,
  environment: Environment = processEnvironment(),
): StartupReading {
  const findings = noFindings();
  const file = text === undefined ? {} : parseConfigText(text);
  const { databases: given, ...rest } = isJsonObject(file) ? file : {};
  const newer = withNewerNames(rest, OLDER_STARTUP_NAMES);
  const named = isJsonObject(file) ? withFlags(newer.json, flags) : file;
  const checked = checkExpanded(STARTUP_OPTIONS, named ?? 'null', {
    findings,
    path: '',
    hints: STARTUP_HINTS,
    environment,
  });
  const { values } = checked;
  checkInterfaces(values, findings);
  checkServerWebhooks(values.events.webhooks, findings);
  findings.problems.push(...startupAuditProblems(values.logging.audit));
  const problems = [...newer.problems, ...inOlderNames(findings.problems, newer.moved)];
  const variables = values.unsupported.allow_dbconfig_env_vars ? environment : undefined;
  const own = databasesOf(given, checked.given, { variables, problems });
  const server =
    values.bootstrap.server ?? serverOf(own?.servers ?? [], problems) ?? DEFAULT_SERVER;
  const config = {
    ...values,
    bootstrap: { ...values.bootstrap, server },
    given: checked.given,
    warnings: [
      ...warningsOf('start-up configuration', findings),
      ...olderNameWarnings(newer),
      ...startupAuditWarnings(values.logging.audit),
      ...(own?.warnings ?? []),
      ...unusedServers(values.bootstrap.server, own),
    ],
    sample: text === undefined && own === undefined ? SAMPLE_DATABASE : undefined,
    databases: own?.databases,
    variables,
  };
  return { config, problems };
}

/** Those of the file; undefined where configurations are kept in buckets. */
function databasesOf(
  databases: unknown,
  startup: JsonObject,
  { variables, problems }: { variables: Environment | undefined; problems: string[] },
): FileDatabases | undefined {
  const said = startup['disable_persistent_config'];
  const isNamed = databases !== undefined && databases !== null;
  if (isNamed && said === false) {
    problems.push(
      'databases: live on this node only, which disable_persistent_config: false rules out; leave ' +
        'that out, or bring them into their buckets with tidegate upgrade-config',
    );
  }
  if (!isNamed && said !== true) return undefined;
  return readFileDatabases(databases ?? {}, { variables, problems });
}

function unusedServers(
  above: string | undefined,
  own: FileDatabases | undefined,
): readonly string[] {
  const other = (own?.servers ?? []).filter(({ server }) => server !== above);
  if (above === undefined || other.length === 0) return [];
  const names = other.map(({ path }) => path).join(', ');
  return [`start-up configuration: bootstrap.server (--data-dir) stands above ${names}`];
}

function olderNameWarnings({ moved, ignored }: WithNewerNames): readonly string[] {
  const warnings: string[] = [];
  const names = moved.map(({ from, to }) => `${from} (now ${to})`).join(', ');
  if (names !== '') warnings.push(`start-up configuration: older names are read: ${names}`);
  if (ignored.length > 0) {
    const none = ignored.join(', ');
    warnings.push(`start-up configuration: accepted, but nothing here acts on it: ${none}`);
  }
  return warnings;
}

function withFlags(file: JsonObject, flags: StartupFlags): JsonObject {
  let json = file;
  if (flags.disablePersistentConfig === true) json = { ...json, disable_persistent_config: true };
  for (const name of Object.keys(FLAGS) as (keyof typeof FLAGS)[]) {
    const value = flags[name];
    if (value === undefined) continue;
    const [groupName, path] = FLAGS[name];
    // NOTE: a flag is taken as it is; in a configuration `$$` stands for `$`.
    const text = value.replaceAll('$', '$$$$');
    json = setProperty(
      json,
      [groupName, ...path.split('.')],
      name === 'dataDir' ? `sqlite:${text}` : text,
    );
  }
  return json;
}

function checkInterfaces(values: Values<typeof STARTUP_OPTIONS>, findings: Findings): void {
  const interfaces = ['public_interface', 'admin_interface', 'metrics_interface'] as const;
  const taken = new Map<string, string>();
  for (const name of interfaces) {
    const { host, port } = values.api[name];
    const flag = `--${name.replace('_', '-')}`;
    if (name !== 'public_interface' && !isLoopback(host)) {
      findings.problems.push(
        `api.${name} (${flag}): has no authentication yet, so it must be a loopback address ` +
          '(127.0.0.0/8, [::1] or localhost)',
      );
    }
    const other = taken.get(`${host}:${port}`);
    if (other !== undefined && port !== 0) {
      findings.problems.push(`api.${name} (${flag}): is the address of api.${other} too`);
    }
    taken.set(`${host}:${port}`, name);
  }
}
