import { isGatewayError } from '../util/errors.ts';
import type { JsonObject } from './check-table.ts';
import { isJsonObject, noFindings } from './check-table.ts';
import { redactUrl } from './config-answer.ts';
import { parseDatabaseName, readDatabaseConfig } from './database-config.ts';
import type { Environment } from './environment.ts';
import { inOlderNames, OLDER_DATABASE_NAMES, withNewerNames } from './older-names.ts';
import { claimedCollections } from './scopes.ts';
import { expandAny } from './variables.ts';

/** A database of the start-up file (`databases`, the form of Sync Gateway 1.x and 2.x). */
export interface FileDatabase {
  readonly name: string;
  readonly bucket: string;
  /** As in the body of `PUT /{db}/`. */
  readonly given: JsonObject;
  /** By name: as in the bodies of `_user/{name}` and `_role/{name}`. */
  readonly users: JsonObject;
  readonly roles: JsonObject;
}

export interface FileDatabases {
  readonly databases: readonly FileDatabase[];
  readonly servers: readonly NamedServer[];
  readonly warnings: readonly string[];
}

export interface NamedServer {
  readonly path: string;
  readonly server: string;
}

interface Reading {
  /** What `${NAME}` stands for; undefined: itself. */
  readonly variables: Environment | undefined;
  /** Mistakes are added to it. */
  readonly problems: string[];
}

const DATABASES_MAX = 1000;

/** Every mistake is told in `problems`. */
export function readFileDatabases(json: unknown, reading: Reading): FileDatabases {
  const { problems } = reading;
  const databases: FileDatabase[] = [];
  const servers: NamedServer[] = [];
  const warnings: string[] = [];
  if (!isJsonObject(json)) problems.push('databases: must be an object, a property a database');
  const entries = Object.entries(isJsonObject(json) ? json : {});
  if (entries.length > DATABASES_MAX)
    problems.push(`databases: must have at most ${DATABASES_MAX}, has ${entries.length}`);
  for (const [name, section] of entries.slice(0, DATABASES_MAX)) {
    const read = readDatabase(name, section, reading);
    if (read === undefined) continue;
    databases.push(read.database);
    if (read.server !== undefined)
      servers.push({ path: `databases.${name}.server`, server: read.server });
    warnings.push(...read.warnings);
  }
  checkOverlaps(databases, problems);
  return { databases, servers, warnings };
}

interface ReadDatabase {
  readonly database: FileDatabase;
  readonly server: string | undefined;
  readonly warnings: readonly string[];
}

/** What only a connection to a Couchbase Server could use. */
const ACCOUNT = ['username', 'password', 'certpath', 'keypath', 'cacertpath'] as const;

/** With mistakes it is read on, for further ones; undefined where it is no database at all. */
function readDatabase(name: string, section: unknown, reading: Reading): ReadDatabase | undefined {
  const path = `databases.${name}`;
  if (!isJsonObject(section)) {
    reading.problems.push(`${path}: must be an object`);
    return undefined;
  }
  checkName(name, reading.problems);
  const newer = withNewerNames(section, OLDER_DATABASE_NAMES);
  const { users, roles, server, ...rest } = newer.json;
  const given = Object.fromEntries(
    Object.entries(rest).filter(([key]) => !ACCOUNT.some((unused) => unused === key)),
  );
  const { GUEST: guest, ...others } = expanded(users, `${path}.users`, reading);
  const withGuest = guest === undefined ? given : { ...given, users: { GUEST: guest } };
  const inRoles = expanded(roles, `${path}.roles`, reading);
  const { parsed, problems } = readDatabaseConfig(withGuest, {
    name,
    variables: reading.variables,
  });
  const told = [...newer.problems, ...inOlderNames(problems, newer.moved)];
  reading.problems.push(...told.map((problem) => `${path}.${problem}`));
  const unused = ACCOUNT.filter((key) => (newer.json[key] ?? '') !== '').join(', ');
  const noEffect = `database ${name}: only Couchbase Server could use this: ${unused}`;
  return {
    database: {
      name,
      bucket: parsed.config.bucket,
      given: parsed.given,
      users: others,
      roles: inRoles,
    },
    server: serverText(server, `${path}.server`, reading),
    warnings: [...parsed.warnings, ...(unused === '' ? [] : [noEffect])],
  };
}

function checkName(name: string, problems: string[]): void {
  try {
    parseDatabaseName(name);
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    problems.push(`databases.${name.slice(0, 80)}: ${cause.message}`);
  }
}

function serverText(
  server: unknown,
  path: string,
  { variables, problems }: Reading,
): string | undefined {
  const findings = { ...noFindings(), problems };
  const value =
    variables === undefined
      ? server
      : expandAny(server, { environment: variables, findings, path });
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  problems.push(`${path}: must be a string`);
  return undefined;
}

/** `users` or `roles`: by name, with variables expanded. */
function expanded(json: unknown, path: string, { variables, problems }: Reading): JsonObject {
  if (json === undefined || json === null) return {};
  if (!isJsonObject(json)) {
    problems.push(`${path}: must be an object, a property a name`);
    return {};
  }
  if (variables === undefined) return json;
  const findings = { ...noFindings(), problems };
  const value = expandAny(json, { environment: variables, findings, path });
  return isJsonObject(value) ? value : {};
}

/** No two databases of one bucket may serve the same collection. */
function checkOverlaps(databases: readonly FileDatabase[], problems: string[]): void {
  const claimed = new Map<string, string>();
  for (const { name, bucket, given } of databases) {
    for (const collection of claimedCollections(given)) {
      const key = JSON.stringify([bucket, collection]);
      const other = claimed.get(key);
      if (other === undefined) claimed.set(key, name);
      else
        problems.push(
          `databases.${name}: the collection ${collection} of the bucket ${bucket} is served by ` +
            `databases.${other} already`,
        );
    }
  }
}

/**
 * The one server of all databases, where none is named above them; undefined where they name none.
 */
export function serverOf(servers: readonly NamedServer[], problems: string[]): string | undefined {
  const [first] = servers;
  for (const { path, server } of servers) {
    if (!/^sqlite:./u.test(server)) {
      problems.push(
        `${path}: must be sqlite:DIR or sqlite::memory:, is ${redactUrl(server)}; or give the ` +
          'folder of the buckets with --data-dir DIR, which stands above the file',
      );
    } else if (first !== undefined && server !== first.server) {
      problems.push(`${path}: must be the server of ${first.path}: a gateway has one`);
    }
  }
  return first?.server;
}
