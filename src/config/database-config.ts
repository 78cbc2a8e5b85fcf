import { GatewayError } from '../util/errors.ts';
import { auditEventProblems, databaseAuditWarnings } from './audit-options.ts';
import type { Findings, JsonObject } from './check-table.ts';
import { checkExpanded } from './check-expanded.ts';
import { isJsonObject, noFindings } from './check-table.ts';
import { DATABASE_HINTS, DATABASE_OPTIONS } from './database-options.ts';
import type { Environment } from './environment.ts';
import { checkEventHandlers } from './event-handlers.ts';
import { configurationError, warningsOf } from './findings.ts';
import { checkLocalJwt, localJwtWarnings } from './local-jwt.ts';
import type { Values } from './option.ts';
import { checkScopes } from './scopes.ts';

/** The configuration of one database, complete: property names and units are Sync Gateway's. */
export interface DatabaseConfig extends Values<typeof DATABASE_OPTIONS> {
  readonly name: string;
  readonly bucket: string;
}

export interface ParsedDatabaseConfig {
  readonly config: DatabaseConfig;
  /** What was given, and nothing else: what is stored, and what `GET _config` answers. */
  readonly given: JsonObject;
  /** For the log: what is accepted without effect. */
  readonly warnings: readonly string[];
}

const NAME_LENGTH_MAX = 128;
const REVS_LIMIT_WITH_CONFLICTS = 100;
const REVS_LIMIT_WITH_CONFLICTS_MIN = 20;
const JAVASCRIPT_TIMEOUT_MS_DEFAULT = 1000;

/** A database's name: `admin.md` §3. Throws `badRequest`. */
export function parseDatabaseName(name: string): string {
  if (name.length > NAME_LENGTH_MAX || !/^[a-z][-a-z0-9_$()+/]*$/.test(name)) {
    throw new GatewayError(
      'badRequest',
      'a database name begins with a small letter, goes on with small letters, digits and ' +
        `_ $ ( ) + - /, and has at most ${NAME_LENGTH_MAX} characters`,
    );
  }
  return name;
}

export interface ParseDatabaseOptions {
  readonly name: string;
  /** What it is to replace: not everything may change. */
  readonly previous?: DatabaseConfig;
  /** What `${NAME}` stands for; undefined: itself. */
  readonly variables?: Environment | undefined;
}

/**
 * Checks the configuration of the database `name`, as given with `PUT /{db}/` or as stored. `null`
 * means that a property is absent. Throws one `badRequest` that names every mistake. Whether the
 * functions compile is left to the sandbox, whether the bucket exists to the bucket server.
 */
export function parseDatabaseConfig(
  value: unknown,
  options: ParseDatabaseOptions,
): ParsedDatabaseConfig {
  const { parsed, problems } = readDatabaseConfig(value, options);
  if (problems.length === 0) return parsed;
  const findings = { ...noFindings(), problems: [...problems] };
  throw configurationError(`configuration of database ${options.name}`, findings);
}

/** As `parseDatabaseConfig`, for who looks for further mistakes: what is wrong has its default. */
export function readDatabaseConfig(
  value: unknown,
  { name, previous, variables }: ParseDatabaseOptions,
): { readonly parsed: ParsedDatabaseConfig; readonly problems: readonly string[] } {
  const findings = noFindings();
  const json = isJsonObject(value) ? guestOfUsers(value, findings) : (value ?? null);
  const { values, given, expanded } = checkExpanded(DATABASE_OPTIONS, json ?? 'null', {
    environment: variables,
    findings,
    path: '',
    hints: DATABASE_HINTS,
  });
  const config: DatabaseConfig = {
    ...values,
    name,
    bucket: values.bucket ?? name,
    revs_limit: revsLimit(values, given),
  };
  checkTogether(config, expanded, findings);
  checkScopes(config, findings, previous);
  checkEventHandlers(config.event_handlers, findings);
  checkLocalJwt(config.local_jwt, findings);
  const { name: _, ...rest } = given;
  const parsed = {
    config,
    given: given['name'] === '' ? rest : given,
    warnings: [
      ...warningsOf(`configuration of database ${name}`, findings),
      ...importWarnings(config, expanded),
      ...databaseAuditWarnings(name, config.logging.audit),
      ...localJwtWarnings(config.local_jwt).map((it) => `configuration of database ${name}: ${it}`),
    ],
  };
  return { parsed, problems: findings.problems };
}

/** The longest that one call of this database's functions may take. */
export function javascriptTimeoutMs(config: DatabaseConfig): number {
  const secs = config.javascript_timeout_secs;
  return secs === 0 ? JAVASCRIPT_TIMEOUT_MS_DEFAULT : secs * 1000;
}

function revsLimit(values: Values<typeof DATABASE_OPTIONS>, given: JsonObject): number {
  const isDefault = given['revs_limit'] === undefined;
  return isDefault && values.allow_conflicts ? REVS_LIMIT_WITH_CONFLICTS : values.revs_limit;
}

function checkTogether(config: DatabaseConfig, given: JsonObject, findings: Findings): void {
  const named = given['name'];
  if (typeof named === 'string' && named !== '' && named !== config.name) {
    findings.problems.push(`name: must be the name in the URL, ${JSON.stringify(config.name)}`);
  }
  const { enabled_events: auditIds } = config.logging.audit;
  for (const what of auditEventProblems(auditIds))
    findings.problems.push(`logging.audit.enabled_events: ${what}`);
  if (config.allow_conflicts && config.revs_limit < REVS_LIMIT_WITH_CONFLICTS_MIN) {
    const least = REVS_LIMIT_WITH_CONFLICTS_MIN;
    findings.problems.push(`revs_limit: must be at least ${least} where allow_conflicts is true`);
  }
}

/** Of import that is asked for and cannot be. */
function importWarnings(config: DatabaseConfig, given: JsonObject): readonly string[] {
  const { name, import_docs: docs, enable_shared_bucket_access: isShared } = config;
  if (isShared || docs === false || given['import_docs'] === undefined) return [];
  return [
    `configuration of database ${name}: import_docs has no effect, as ` +
      'enable_shared_bucket_access is false',
  ];
}

/** `users.GUEST` is the older place of `guest`; other users are not part of the configuration. */
function guestOfUsers(json: JsonObject, findings: Findings): JsonObject {
  const { users, ...rest } = json;
  if (users === undefined || users === null) return rest;
  if (!isJsonObject(users)) {
    findings.problems.push('users: must be an object with the one property GUEST');
    return rest;
  }
  if (Object.keys(users).some((user) => user !== 'GUEST')) {
    findings.problems.push(
      'users: only GUEST may be named here; other users are made with PUT /{db}/_user/{name}',
    );
  }
  const guest = users['GUEST'];
  if (guest === undefined) return rest;
  if (json['guest'] !== undefined && json['guest'] !== null) {
    findings.problems.push('users.GUEST: is the older form of guest, which is given too');
    return rest;
  }
  return { ...rest, guest };
}
