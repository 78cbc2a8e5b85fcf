import { STARTUP_AUDIT } from './audit-options.ts';
import { SERVER_CORS } from './cors-options.ts';
import { OUTGOING_OPTIONS, SERVER_EVENTS } from './event-options.ts';
import { isEmpty, isOff } from './harmless.ts';
import { group, couchbaseOption, laterOption, option, unneededOption } from './option.ts';
import {
  address,
  anything,
  duration,
  flag,
  integer,
  listOf,
  oneOf,
  text,
  zeroOr,
} from './value-type.ts';

/** The start-up configuration: `admin.md` §2, the form of Sync Gateway 3.x. */
export const STARTUP_OPTIONS = {
  bootstrap: group('Where buckets live, and which configuration this node follows.', {
    server: option({
      type: text(1),
      default: undefined,
      about:
        'Where buckets live: `sqlite:DIR` (a folder, one file a bucket) or `sqlite::memory:` ' +
        '(gone at the end). Default: `sqlite:` and the folder of `--data-dir`, which is `data`.',
      secret: 'url',
    }),
    group_id: option({
      type: text(1, 250),
      default: 'default',
      about:
        'Nodes of one group share the configuration of their databases; those of other groups, ' +
        'which their buckets may hold too, they do not see.',
    }),
    config_update_frequency: option({
      type: duration,
      default: '10s',
      about:
        'How often other nodes’ changes of the configuration are looked for at the latest: ' +
        'created, changed, deleted, offline, online. In buckets that this node has open they are ' +
        'mostly seen within a second. 0: never, until a restart.',
    }),
    username: couchbaseOption({
      type: text(),
      default: undefined,
      about: 'Account at the Couchbase cluster.',
    }),
    password: couchbaseOption({
      type: text(),
      default: undefined,
      about: 'Password of that account.',
      secret: 'whole',
    }),
    use_tls_server: couchbaseOption({
      type: flag,
      default: undefined,
      about: 'Whether connections to the cluster use TLS.',
    }),
    server_tls_skip_verify: couchbaseOption({
      type: flag,
      default: undefined,
      about: 'Whether any certificate of the cluster is trusted.',
    }),
    ca_cert_path: couchbaseOption({
      type: text(),
      default: undefined,
      about: 'Certificate authority of the cluster.',
    }),
    x509_cert_path: couchbaseOption({
      type: text(),
      default: undefined,
      about: 'Client certificate instead of an account.',
    }),
    x509_key_path: couchbaseOption({
      type: text(),
      default: undefined,
      about: 'Key of the client certificate.',
    }),
  }),
  api: group('The three interfaces.', {
    public_interface: option({
      type: address,
      default: '127.0.0.1:4984',
      about: 'Where clients connect. Port 0 takes a free one.',
    }),
    admin_interface: option({
      type: address,
      default: '127.0.0.1:4985',
      about:
        'Where administrators connect. It has no authentication yet: loopback only ' +
        '(127.0.0.0/8, ::1, localhost).',
    }),
    metrics_interface: option({
      type: address,
      default: '127.0.0.1:4986',
      about: 'Where Prometheus asks. It has no authentication yet: loopback only.',
    }),
    profile_interface: laterOption({
      type: text(),
      default: undefined,
      about: 'Interface for profiling.',
    }),
    admin_interface_authentication: laterOption({
      type: flag,
      default: false,
      about: 'Basic authentication on the admin interface.',
    }),
    metrics_interface_authentication: laterOption({
      type: flag,
      default: false,
      about: 'Basic authentication on the metrics interface.',
    }),
    read_header_timeout: option({
      type: duration,
      default: '5s',
      about: 'The longest that the head of a request may take to arrive.',
    }),
    server_read_timeout: option({
      type: duration,
      default: '5m',
      about:
        'The longest that the body of a request may take to arrive; 0 for no limit. ' +
        'Attachments, which are not held in memory, must only keep up a rate of 1 KB/s.',
    }),
    server_write_timeout: laterOption({
      type: duration,
      default: '0',
      about: 'The longest that an answer may take to be written.',
    }),
    idle_timeout: option({
      type: duration,
      default: '90s',
      about: 'How long an idle connection is kept open for the next request.',
    }),
    max_connections: option({
      type: integer(0, 1_000_000),
      default: 0,
      about: 'The most connections of each interface; 0 for no limit.',
    }),
    pretty: option({ type: flag, default: false, about: 'Indent JSON in answers.' }),
    compress_responses: option({
      type: flag,
      default: true,
      about: 'Compress larger answers for clients that accept gzip.',
    }),
    hide_product_version: option({
      type: flag,
      default: false,
      about: 'Leave the version out of the `Server` header and of `GET /`.',
    }),
    https: laterOption({
      type: anything,
      default: undefined,
      about: 'TLS on the interfaces. Until then, a reverse proxy does it.',
      isHarmless: isEmpty,
    }),
    cors: SERVER_CORS,
  }),
  auth: group('How passwords are kept.', {
    bcrypt_cost: option({
      type: integer(10, 31),
      default: 10,
      about: 'Work of a password hash: one more is twice the time.',
    }),
  }),
  limits: group('Limits of this product’s own, for every database.', {
    request_bytes_max: option({
      type: integer(1_048_576, 1_073_741_824),
      default: 104_857_600,
      about: 'The largest body of one request (`_bulk_docs`, …), after decompression, in bytes.',
    }),
  }),
  replicator: group('Feeds and replication.', {
    max_heartbeat: option({
      type: duration,
      default: '0',
      about: 'The longest between two heartbeats of a feed, whatever it asks; 0: as it asks.',
    }),
    blip_compression: laterOption({
      type: integer(0, 9),
      default: 6,
      about: 'Compression level of BLIP frames.',
    }),
    max_concurrent_replications: laterOption({
      type: integer(0),
      default: 0,
      about: 'The most replications that this node runs at once; 0 for no limit.',
    }),
    max_concurrent_changes_batches: laterOption({
      type: integer(1, 5),
      default: 2,
      about: 'The most `changes` batches under way for one client.',
    }),
    max_concurrent_revs: laterOption({
      type: integer(5, 200),
      default: 5,
      about: 'The most revisions under way for one client.',
    }),
  }),
  events: SERVER_EVENTS,
  outgoing: OUTGOING_OPTIONS,
  logging: group('Logs.', {
    redaction_level: option({
      type: oneOf('none', 'partial', 'full'),
      default: 'partial',
      about:
        'User data (names, document ids, channels) in log lines: `none` as it is, `partial` ' +
        'between `<ud>` and `</ud>`, `full` as a hash between them.',
    }),
    console: group('The log of the process.', {
      enabled: option({ type: flag, default: true, about: 'Whether there is one.' }),
      log_level: option({
        type: oneOf('none', 'error', 'warn', 'info', 'debug', 'trace'),
        default: 'info',
        about: 'The finest level that is written.',
        live: true,
      }),
      log_keys: option({
        type: listOf(text(1, 64)),
        default: ['Admin', 'Config', 'Javascript'],
        about: 'Of lines of level info and finer, those with these keys; `*` for all.',
        live: true,
      }),
      color_enabled: option({ type: flag, default: false, about: 'Colours, in form `text`.' }),
      file_output: option({
        type: text(1, 4096),
        default: undefined,
        about: 'A file to append to, instead of stderr.',
      }),
      format: option({
        type: oneOf('auto', 'json', 'text'),
        default: 'auto',
        about: 'JSON lines, or text for people; `auto`: text on a terminal, JSON elsewhere.',
      }),
      rotation: laterOption({
        type: anything,
        default: undefined,
        about: 'When a new file is begun. Until then, `logrotate` with `copytruncate` does it.',
      }),
    }),
    log_file_path: laterOption({
      type: text(),
      default: undefined,
      about: 'Folder of those files.',
    }),
    error: logFile(),
    warn: logFile(),
    info: logFile(),
    debug: logFile(),
    trace: logFile(),
    stats: logFile(),
    audit: STARTUP_AUDIT,
  }),
  unsupported: group('Options of the reference that it does not support itself.', {
    stats_log_frequency: laterOption({
      type: duration,
      default: '1m',
      about: 'How often statistics are logged.',
    }),
    use_stdlib_json: unneededOption({
      type: flag,
      default: false,
      about: 'Concerns a library of the reference.',
    }),
    http2: laterOption({
      type: anything,
      default: undefined,
      about: 'HTTP/2 on the public interface.',
      isHarmless: isOff,
    }),
    diagnostic_interface: laterOption({
      type: text(),
      default: undefined,
      about: 'Interface for dry runs of functions.',
    }),
    user_queries: laterOption({ type: flag, default: false, about: 'User-defined queries.' }),
    use_xattr_config: couchbaseOption({
      type: flag,
      default: undefined,
      about: 'Where in the bucket the configuration is kept.',
    }),
    allow_dbconfig_env_vars: option({
      type: flag,
      default: true,
      about:
        'Whether `${NAME}` in a configuration of a database stands for the environment variable ' +
        'of that name ([operations.md](operations.md#environment-variables)).',
    }),
  }),
  disable_persistent_config: option({
    type: flag,
    default: false,
    about:
      'Databases live on this node only: those of `databases` in this file ' +
      '([migration.md](migration.md)), and those that are made over REST, until the end of the ' +
      'process. Implied where the file has `databases`.',
  }),
  database_credentials: couchbaseOption({
    type: anything,
    default: undefined,
    about: 'Accounts at the cluster, by database.',
    secret: 'whole',
  }),
  bucket_credentials: couchbaseOption({
    type: anything,
    default: undefined,
    about: 'Accounts at the cluster, by bucket.',
    secret: 'whole',
  }),
  couchbase_keepalive_interval: couchbaseOption({
    type: integer(0),
    default: undefined,
    about: 'Keep-alive of connections to the cluster.',
  }),
  max_file_descriptors: unneededOption({
    type: integer(0),
    default: undefined,
    about: 'Node takes the most that the system grants.',
  }),
  heap_profile_collection_threshold: unneededOption({
    type: zeroOr(1, Number.MAX_SAFE_INTEGER),
    default: undefined,
    about: 'Memory in bytes from where on heap profiles are taken.',
  }),
  heap_profile_disable_collection: unneededOption({
    type: flag,
    default: undefined,
    about: 'Whether heap profiles are off.',
  }),
} as const;

/** What to say of properties of other places and times. */
export const STARTUP_HINTS: Readonly<Record<string, string>> = {
  server: 'belongs into the group bootstrap; write bootstrap.server',
  CORS: 'may have Origin, LoginOrigin, Headers and MaxAge',
  configServer: 'is not there: databases are in this file (databases) or in their buckets',
  replications: 'belongs into the configuration of a database; write databases.{db}.replications',
  facebook: 'logins by Facebook are not there; leave it out',
  google: 'logins by Google are not there; leave it out',
  persona: 'logins by Persona are not there; leave it out',
};

function logFile() {
  return laterOption({
    type: anything,
    default: undefined,
    about: 'A log file of its own for these lines.',
    isHarmless: isOff,
  });
}
