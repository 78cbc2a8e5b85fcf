import type { Findings, JsonObject } from './check-table.ts';
import { checkTable, isJsonObject, noFindings } from './check-table.ts';
import { parseConfigText } from './config-text.ts';
import { configurationError, warningsOf } from './findings.ts';
import type { Values } from './option.ts';
import { SAMPLE_DATABASE } from './sample.ts';
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
}

/** Flag → where it stands in the file, and how it is written on the command line. */
const FLAGS = {
  dataDir: ['bootstrap', 'server', '--data-dir'],
  publicInterface: ['api', 'public_interface', '--public-interface'],
  adminInterface: ['api', 'admin_interface', '--admin-interface'],
  metricsInterface: ['api', 'metrics_interface', '--metrics-interface'],
  logLevel: ['logging', 'console.log_level', '--log-level'],
} as const satisfies Record<keyof StartupFlags, readonly [string, string, string]>;

const DATA_DIR_DEFAULT = 'data';

/**
 * The start-up configuration from the text of the file (undefined: none; then there is the sample
 * database) and from flags. Throws one `badRequest` that names every mistake.
 */
export function parseStartup(text: string | undefined, flags: StartupFlags = {}): StartupConfig {
  const findings = noFindings();
  const file = text === undefined ? {} : parseConfigText(text);
  const json = isJsonObject(file) ? withFlags(file, flags) : file;
  const { values, given } = checkTable(STARTUP_OPTIONS, json ?? 'null', {
    findings,
    path: '',
    hints: STARTUP_HINTS,
  });
  checkInterfaces(values, findings);
  if (findings.problems.length > 0) {
    throw configurationError('start-up configuration', findings);
  }
  const server = values.bootstrap.server ?? `sqlite:${DATA_DIR_DEFAULT}`;
  return {
    ...values,
    bootstrap: { ...values.bootstrap, server },
    given,
    warnings: warningsOf('start-up configuration', findings),
    sample: text === undefined ? SAMPLE_DATABASE : undefined,
  };
}

function withFlags(file: JsonObject, flags: StartupFlags): JsonObject {
  let json = file;
  for (const name of Object.keys(FLAGS) as (keyof StartupFlags)[]) {
    const value = flags[name];
    if (value === undefined) continue;
    const [groupName, path] = FLAGS[name];
    json = set(
      json,
      [groupName, ...path.split('.')],
      name === 'dataDir' ? `sqlite:${value}` : value,
    );
  }
  return json;
}

/** A copy with one value changed. What is no object on the way stays, and is refused later. */
function set(
  json: JsonObject,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): JsonObject {
  if (rest.length === 0) return { ...json, [name]: value };
  const inner = json[name] ?? {};
  return isJsonObject(inner) ? { ...json, [name]: set(inner, rest, value) } : json;
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
