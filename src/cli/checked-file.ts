import type { JsonObject } from '../config/check-table.ts';
import { isJsonObject } from '../config/check-table.ts';
import { parseConfigText } from '../config/config-text.ts';
import { parseDatabaseName, readDatabaseConfig } from '../config/database-config.ts';
import { DATABASE_OPTIONS } from '../config/database-options.ts';
import { processEnvironment } from '../config/environment.ts';
import type { FileDatabase } from '../config/file-databases.ts';
import { inlineFunctions, isUrl } from '../config/function-places.ts';
import { OLDER_STARTUP_NAMES } from '../config/older-names.ts';
import { functionReader } from '../config/read-function.ts';
import type { StartupConfig, StartupFlags } from '../config/startup-config.ts';
import { readStartup } from '../config/startup-config.ts';
import { STARTUP_OPTIONS } from '../config/startup-options.ts';
import { functionProblems } from '../database/checked-config.ts';
import { checkFileDatabases } from '../database/local-databases.ts';
import { silentLog } from '../observability/log.ts';
import { startSandbox } from '../sandbox/start-sandbox.ts';
import { systemClock } from '../util/clock.ts';
import { isGatewayError } from '../util/errors.ts';
import { OutgoingRequests } from '../util/outgoing-requests.ts';
import { foldersOf } from './load-config.ts';
import { readConfigFile } from './read-config-file.ts';

/** A start-up file as a gateway would take it, without one being started. */
export interface CheckedStartup {
  readonly config: StartupConfig;
  /** With their functions in them. */
  readonly databases: readonly FileDatabase[];
  /** Every mistake; none where it is right. */
  readonly problems: readonly string[];
}

export interface CheckedDatabase {
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

/** Throws `badRequest` where the file cannot be read, or is no JSON. */
export async function checkStartupFile(file: string, flags: StartupFlags): Promise<CheckedStartup> {
  const { config, problems } = readStartup(await readConfigFile(file), flags);
  const own = config.databases ?? [];
  if (own.length === 0) return { config, databases: own, problems };
  using outgoing = outgoingRequests(config.outgoing.allowed_hosts);
  await using sandbox = await startSandbox({ log: silentLog });
  const { variables } = config;
  const read = functionReader(outgoing, foldersOf(file));
  const checked = await checkFileDatabases(own, { sandbox, read, variables });
  return { config, databases: checked.databases, problems: [...problems, ...checked.problems] };
}

/** The same of the configuration of one database, as for `PUT /{db}/`. */
export async function checkDatabaseFile(
  file: string,
  { name: asked }: { readonly name: string | undefined },
): Promise<CheckedDatabase> {
  const json = parseConfigText(await readConfigFile(file));
  const given = isJsonObject(json) ? json : {};
  const name = asked ?? (typeof given['name'] === 'string' ? given['name'] : 'db');
  using outgoing = outgoingRequests([]);
  const inlined = await inlineFunctions(given, functionReader(outgoing), isUrl);
  const { parsed, problems } = readDatabaseConfig(isJsonObject(json) ? inlined.given : json, {
    name,
    variables: processEnvironment(),
  });
  await using sandbox = await startSandbox({ log: silentLog });
  const inFunctions =
    inlined.problems.length === 0 ? await functionProblems(parsed.config, sandbox) : [];
  return {
    warnings: parsed.warnings,
    problems: [...nameProblems(name), ...problems, ...inlined.problems, ...inFunctions],
  };
}

function nameProblems(name: string): readonly string[] {
  try {
    parseDatabaseName(name);
    return [];
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    return [`name: ${cause.message}`];
  }
}

/** Whether a file's properties are those of a database rather than of a start-up file. */
export async function looksLikeDatabase(file: string): Promise<boolean> {
  const json = parseConfigText(await readConfigFile(file));
  const names = isJsonObject(json) ? Object.keys(json) : [];
  const older = OLDER_STARTUP_NAMES.map(({ from }) => (from.split('.')[0] ?? '').toLowerCase());
  const startup = new Set(['databases', ...Object.keys(STARTUP_OPTIONS), ...older]);
  const inStartup = names.filter((name) => startup.has(name) || startup.has(name.toLowerCase()));
  const inDatabase = names.filter((name) => Object.hasOwn(OF_DATABASES, name));
  return inDatabase.length > inStartup.length;
}

const OF_DATABASES: JsonObject = { ...DATABASE_OPTIONS, users: true, roles: true };

function outgoingRequests(allowedHosts: readonly string[]): OutgoingRequests {
  return new OutgoingRequests({ clock: systemClock, allowedHosts });
}
