import type { JsonObject } from './check-table.ts';
import { isJsonObject, objectAt } from './check-table.ts';
import type { DatabaseConfig, ParsedDatabaseConfig } from './database-config.ts';
import { DATABASE_OPTIONS } from './database-options.ts';
import type { Option, OptionEntry, OptionTable } from './option.ts';
import type { RuntimeChange } from './runtime-change.ts';
import type { StartupConfig } from './startup-config.ts';
import { STARTUP_OPTIONS } from './startup-options.ts';

/** What stands for a secret in every answer, whether or not it is set. */
const HIDDEN = 'xxxxx';

export interface DatabaseAnswerOptions {
  /** With every default. */
  readonly includeRuntime?: boolean;
  /** With the functions; default true. */
  readonly includeJavascript?: boolean;
  /** As read again from the bucket: the guest then has a name, as recorded. */
  readonly refresh?: boolean;
  /** For `includeRuntime`: where the bucket is, without credentials. */
  readonly server?: string;
}

/**
 * The configuration of a database for `GET /{db}/_config`: what was given, with `name` and
 * `bucket`; secrets are hidden. `created_at` and `updated_at` are the caller's to add.
 */
export function databaseConfigAnswer(
  { config, given }: Pick<ParsedDatabaseConfig, 'config' | 'given'>,
  options: DatabaseAnswerOptions = {},
): JsonObject {
  const { includeRuntime = false, includeJavascript = true, refresh = false } = options;
  const answer: Record<string, unknown> = {
    ...(includeRuntime
      ? {
          server: options.server ?? '',
          username: '',
          password: HIDDEN,
          ...withDefaults(DATABASE_OPTIONS, given),
          revs_limit: config.revs_limit,
        }
      : given),
    name: config.name,
    bucket: config.bucket,
  };
  if (!includeJavascript || (includeRuntime && answer['sync'] === '')) delete answer['sync'];
  if (!includeJavascript || answer['import_filter'] === '') delete answer['import_filter'];
  const { scopes } = answer;
  if (!includeJavascript && isJsonObject(scopes)) answer['scopes'] = withoutFunctions(scopes);
  const { guest } = answer;
  if (isJsonObject(guest)) answer['guest'] = guestAnswer(guest, config, includeRuntime || refresh);
  return redact(DATABASE_OPTIONS, answer);
}

/** A configuration that is not served (any more) as it was given, with secrets hidden. */
export function givenConfigAnswer(
  given: JsonObject,
  { name, bucket }: { readonly name: string; readonly bucket: string },
): JsonObject {
  return redact(DATABASE_OPTIONS, { ...given, name, bucket });
}

/** What an administrator sent of a configuration, with secrets hidden. */
export function redactedConfig(given: JsonObject): JsonObject {
  return redact(DATABASE_OPTIONS, given);
}

export interface StartupAnswerOptions {
  /** With every default, and what changed since the start. */
  readonly includeRuntime?: boolean;
  /** For `includeRuntime`: what the log writes now. */
  readonly console?: Required<RuntimeChange>;
}

/** The start-up configuration for `GET /_config`; `databases` are the caller's to add. */
export function startupConfigAnswer(
  config: StartupConfig,
  options: StartupAnswerOptions = {},
): JsonObject {
  const { includeRuntime = false } = options;
  const complete = withDefaults(STARTUP_OPTIONS, config.given);
  const shown = includeRuntime ? complete : config.given;
  const groups = ['bootstrap', 'api', 'auth', 'logging', 'replicator', 'unsupported'];
  const answer: Record<string, unknown> = {
    ...Object.fromEntries(groups.map((name) => [name, {}])),
    ...shown,
  };
  answer['bootstrap'] = {
    ...objectAt(shown, 'bootstrap'),
    server: config.bootstrap.server,
    username: config.bootstrap.username ?? '',
    password: HIDDEN,
  };
  const api = objectAt(complete, 'api');
  answer['api'] = {
    ...objectAt(shown, 'api'),
    public_interface: api['public_interface'],
    admin_interface: api['admin_interface'],
    metrics_interface: api['metrics_interface'],
  };
  if (includeRuntime && options.console !== undefined) {
    const { logLevel, logKeys } = options.console;
    const logging = objectAt(complete, 'logging');
    const now = { ...objectAt(logging, 'console'), log_level: logLevel, log_keys: logKeys };
    answer['logging'] = { ...logging, console: now };
  }
  return redact(STARTUP_OPTIONS, answer);
}

/** Given properties with every secret of the table hidden. */
function redact(table: OptionTable, given: JsonObject): JsonObject {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const entry = Object.hasOwn(table, name) ? table[name] : undefined;
    if (entry === undefined) shown[name] = value;
    else shown[name] = redactedEntry(entry, value);
  }
  return shown;
}

function redactedEntry(entry: OptionEntry, value: unknown): unknown {
  if (entry.kind === 'option') return redactedValue(entry, value);
  if (entry.kind === 'list')
    return Array.isArray(value)
      ? value.map((item: unknown) => redactedEntry(entry.each, item))
      : value;
  if (!isJsonObject(value)) return value;
  if (entry.kind === 'group') return redact(entry.options, value);
  const { each } = entry;
  return mapValues(value, (inner) => redactedEntry(each, inner));
}

/** A URL with the credentials in it hidden. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/iu, `$1${HIDDEN}:${HIDDEN}@`);
}

function redactedValue(entry: Option<unknown>, value: unknown): unknown {
  if (entry.secret === 'whole') return HIDDEN;
  return entry.secret === 'url' && typeof value === 'string' ? redactUrl(value) : value;
}

function withDefaults(table: OptionTable, given: JsonObject): JsonObject {
  const complete: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const value = given[name];
    if (entry.kind === 'group') {
      complete[name] = withDefaults(entry.options, isJsonObject(value) ? value : {});
    } else if (entry.kind === 'list') {
      if (Array.isArray(value))
        complete[name] = value.map((item: unknown) =>
          withDefaults(entry.each.options, isJsonObject(item) ? item : {}),
        );
    } else {
      const preset = entry.kind === 'option' ? entry.default : undefined;
      if (value !== undefined || preset !== undefined) complete[name] = value ?? preset;
    }
  }
  return complete;
}

/** As recorded: lists only where they were given; a name where the running guest is shown. */
function guestAnswer(guest: JsonObject, config: DatabaseConfig, isRunning: boolean): JsonObject {
  if (!isRunning) return guest;
  const { admin_channels: channels, admin_roles: roles } = config.guest;
  const { collection_access: access } = guest;
  return {
    name: '',
    ...(channels.length > 0 ? { admin_channels: channels } : {}),
    ...(roles.length > 0 ? { admin_roles: roles } : {}),
    ...(access === undefined ? {} : { collection_access: access }),
    disabled: config.guest.disabled,
  };
}

/** `scopes` as given, without the functions of the collections. */
function withoutFunctions(scopes: JsonObject): JsonObject {
  return mapValues(scopes, (scope) => {
    const collections = objectAt(isJsonObject(scope) ? scope : {}, 'collections');
    return {
      collections: mapValues(collections, (collection) =>
        Object.fromEntries(
          Object.entries(isJsonObject(collection) ? collection : {}).filter(
            ([name]) => name !== 'sync' && name !== 'import_filter',
          ),
        ),
      ),
    };
  });
}

function mapValues(json: JsonObject, change: (value: unknown) => unknown): JsonObject {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, change(value)]));
}
