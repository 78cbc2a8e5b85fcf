import type { JsonObject } from './check-table.ts';
import { isJsonObject } from './check-table.ts';
import { propertyAt, setProperty } from './set-property.ts';

/**
 * Names of Sync Gateway 1.x and 2.x, each with the one that it has now. Their case does not matter,
 * as it did not then. A property is moved to its newer place and checked there.
 */
export interface OlderName {
  readonly from: string;
  /** Path of the newer name; undefined: it has no effect, and never had one that matters here. */
  readonly to: string | undefined;
  /** Seconds as a number became a duration. */
  readonly unit?: 's';
}

export const OLDER_STARTUP_NAMES: readonly OlderName[] = [
  { from: 'interface', to: 'api.public_interface' },
  { from: 'adminInterface', to: 'api.admin_interface' },
  { from: 'metricsInterface', to: 'api.metrics_interface' },
  { from: 'profileInterface', to: 'api.profile_interface' },
  { from: 'admin_interface_authentication', to: 'api.admin_interface_authentication' },
  { from: 'metrics_interface_authentication', to: 'api.metrics_interface_authentication' },
  { from: 'maxIncomingConnections', to: 'api.max_connections' },
  { from: 'pretty', to: 'api.pretty' },
  { from: 'compressResponses', to: 'api.compress_responses' },
  { from: 'hide_product_version', to: 'api.hide_product_version' },
  { from: 'serverReadTimeout', to: 'api.server_read_timeout', unit: 's' },
  { from: 'server_read_timeout', to: 'api.server_read_timeout', unit: 's' },
  { from: 'serverWriteTimeout', to: 'api.server_write_timeout', unit: 's' },
  { from: 'server_write_timeout', to: 'api.server_write_timeout', unit: 's' },
  { from: 'readHeaderTimeout', to: 'api.read_header_timeout', unit: 's' },
  { from: 'read_header_timeout', to: 'api.read_header_timeout', unit: 's' },
  { from: 'idleTimeout', to: 'api.idle_timeout', unit: 's' },
  { from: 'idle_timeout', to: 'api.idle_timeout', unit: 's' },
  { from: 'SSLCert', to: 'api.https.tls_cert_path' },
  { from: 'SSLKey', to: 'api.https.tls_key_path' },
  { from: 'tls_minimum_version', to: 'api.https.tls_minimum_version' },
  { from: 'CORS.Origin', to: 'api.cors.origin' },
  { from: 'CORS.LoginOrigin', to: 'api.cors.login_origin' },
  { from: 'CORS.Headers', to: 'api.cors.headers' },
  { from: 'CORS.MaxAge', to: 'api.cors.max_age' },
  { from: 'bcrypt_cost', to: 'auth.bcrypt_cost' },
  { from: 'maxHeartbeat', to: 'replicator.max_heartbeat', unit: 's' },
  { from: 'replicator_compression', to: 'replicator.blip_compression' },
  { from: 'log', to: 'logging.console.log_keys' },
  { from: 'logFilePath', to: 'logging.console.file_output' },
  { from: 'logging.default.logKeys', to: 'logging.console.log_keys' },
  { from: 'logging.default.logFilePath', to: 'logging.console.file_output' },
  { from: 'unsupported.stats_log_freq_secs', to: 'unsupported.stats_log_frequency', unit: 's' },
  { from: 'maxFileDescriptors', to: 'max_file_descriptors' },
  { from: 'couchbaseKeepaliveInterval', to: 'couchbase_keepalive_interval' },
  { from: 'use_tls_server', to: 'bootstrap.use_tls_server' },
  { from: 'config_upgrade_group_id', to: 'bootstrap.group_id' },
  { from: 'adminUI', to: undefined },
  { from: 'deploymentID', to: undefined },
  { from: 'maxCouchbaseConnections', to: undefined },
  { from: 'maxCouchbaseOverflow', to: undefined },
  { from: 'slowServerCallWarningThreshold', to: undefined },
  { from: 'enable_advanced_auth_dp', to: undefined },
];

/** Of a database in a file. */
export const OLDER_DATABASE_NAMES: readonly OlderName[] = [
  { from: 'rev_cache_size', to: 'cache.rev_cache.size' },
  ...['max_wait_pending', 'max_num_pending', 'max_wait_skipped', 'enable_star_channel'].map(
    (name) => ({ from: `cache.${name}`, to: `cache.channel_cache.${name}` }),
  ),
  { from: 'cache.channel_cache_max_length', to: 'cache.channel_cache.max_length' },
  { from: 'cache.channel_cache_min_length', to: 'cache.channel_cache.min_length' },
  { from: 'cache.channel_cache_expiry', to: 'cache.channel_cache.expiry_seconds' },
];

export interface WithNewerNames {
  readonly json: JsonObject;
  /** What was moved, and from where, as it was written. */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
  /** Paths of what has no effect. */
  readonly ignored: readonly string[];
  readonly problems: readonly string[];
}

export function withNewerNames(file: JsonObject, names: readonly OlderName[]): WithNewerNames {
  let json = file;
  const moved: { from: string; to: string }[] = [];
  const ignored: string[] = [];
  const problems: string[] = [];
  for (const { from, to, unit } of names) {
    const found = take(json, from.split('.'));
    if (found === undefined) continue;
    json = found.rest;
    if (found.value === null) continue;
    if (to === undefined) ignored.push(found.path);
    else if ((propertyAt(json, to.split('.')) ?? undefined) !== undefined)
      problems.push(`${found.path}: is the older name of ${to}, which is given too`);
    else {
      json = setProperty(json, to.split('.'), unit === 's' ? inSeconds(found.value) : found.value);
      moved.push({ from: found.path, to });
    }
  }
  return { json, moved, ignored, problems };
}

/** Problems of moved properties begin with the name that stands in the file. */
export function inOlderNames(
  problems: readonly string[],
  moved: WithNewerNames['moved'],
): readonly string[] {
  return problems.map((problem) => {
    const [path = ''] = /^[^\s:([]*/u.exec(problem) ?? [];
    const at = moved.find(
      ({ to }) => to === path || path.startsWith(`${to}.`) || to.startsWith(`${path}.`),
    );
    return at === undefined ? problem : `${at.from} (now ${path})${problem.slice(path.length)}`;
  });
}

interface Taken {
  readonly value: unknown;
  readonly path: string;
  readonly rest: JsonObject;
}

/** Takes out what stands at a path of names of any case; an object that is empty then goes too. */
function take(json: JsonObject, [name = '', ...inner]: readonly string[]): Taken | undefined {
  const key = Object.keys(json).find((it) => it.toLowerCase() === name.toLowerCase());
  if (key === undefined) return undefined;
  const { [key]: value, ...others } = json;
  if (inner.length === 0) return { value, path: key, rest: others };
  const found = isJsonObject(value) ? take(value, inner) : undefined;
  if (found === undefined) return undefined;
  const isEmpty = Object.keys(found.rest).length === 0;
  return {
    value: found.value,
    path: `${key}.${found.path}`,
    rest: isEmpty ? others : { ...json, [key]: found.rest },
  };
}

/** A number of seconds, also one in a variable; anything else is refused where it is checked. */
function inSeconds(value: unknown): unknown {
  const isNumber = typeof value === 'number' || /^(?:\d+|\$\{[^{}]*\})$/u.test(String(value));
  return isNumber ? `${String(value)}s` : value;
}
