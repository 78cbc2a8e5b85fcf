import { DATABASE_LOGGING } from './audit-options.ts';
import { CACHE_OPTIONS } from './cache-options.ts';
import { DATABASE_CORS } from './cors-options.ts';
import { COUCHBASE_OPTIONS } from './couchbase-options.ts';
import { EVENT_HANDLERS } from './event-options.ts';
import { isEmpty, isOff } from './harmless.ts';
import { IMPORT_OPTIONS } from './import-options.ts';
import { LOCAL_JWT } from './jwt-options.ts';
import { group, laterOption, option, unneededOption } from './option.ts';
import { GUEST_COLLECTION_ACCESS, SCOPES } from './scope-options.ts';
import { UNSUPPORTED_OPTIONS } from './unsupported-options.ts';
import { anything, flag, integer, javascript, listOf, oneOf, text, zeroOr } from './value-type.ts';

const MIB = 1_048_576;

/** What the guest may have: requests without credentials. Also `users.GUEST`, its older place. */
const guest = group('Requests without credentials.', {
  name: option({
    type: oneOf('', 'GUEST'),
    default: '',
    about: 'The guest has no name.',
    live: true,
  }),
  disabled: option({
    type: flag,
    default: true,
    about: 'Whether such requests are refused (401).',
    live: true,
  }),
  admin_channels: option({
    type: listOf(text(1, 250)),
    default: [],
    about: 'Channels of the guest; `*` for all.',
    live: true,
  }),
  admin_roles: option({
    type: listOf(text(1, 250)),
    default: [],
    about: 'Roles of the guest.',
    live: true,
  }),
  collection_access: GUEST_COLLECTION_ACCESS,
});

const documents = {
  revs_limit: option({
    type: integer(1),
    default: 50,
    about:
      'How many ancestors of a revision are remembered. With allow_conflicts the default is 100 ' +
      'and the least 20.',
    live: true,
  }),
  allow_conflicts: option({
    type: flag,
    default: false,
    about: 'Whether clients may push conflicting branches.',
    live: true,
  }),
  old_rev_expiry_seconds: option({
    type: integer(0),
    default: 300,
    about: 'How long the body of a superseded revision is kept, in seconds.',
    live: true,
  }),
  local_doc_expiry_secs: option({
    type: integer(0),
    default: 7_776_000,
    about: 'How long a `_local` document (a checkpoint) lives unwritten, in seconds; 0: for ever.',
    live: true,
  }),
  compact_interval_days: option({
    type: zeroOr(0.04, 60),
    default: 1,
    about:
      'How often tombstones of more than 30 days are removed, and the history of channels and ' +
      'grants from before is shortened, in days; 0: never by itself.',
    live: true,
  }),
  store_legacy_revtree_data: unneededOption({
    type: flag,
    default: true,
    about: 'How revision trees are stored.',
  }),
  limits: group('Limits of this product’s own.', {
    document_bytes_max: option({
      type: integer(1024, 100 * MIB),
      default: 20 * MIB,
      about:
        'The largest document, as JSON text as it is sent (with inline attachments), in bytes.',
      live: true,
    }),
    attachment_bytes_max: option({
      type: integer(1024, 2048 * MIB),
      default: 20 * MIB,
      about: 'The largest attachment, in bytes.',
      live: true,
    }),
  }),
};

const functions = {
  sync: option({
    type: javascript,
    default: '',
    about:
      'Source of the sync function. Empty: `channel(doc.channels)`. Not beside named collections, ' +
      'which have functions of their own.',
    live: true,
  }),
  javascript_timeout_secs: option({
    type: integer(0, 3600),
    default: 0,
    about: 'The longest that one call of a function may take, in seconds. 0 means 1.',
    live: true,
  }),
  ...IMPORT_OPTIONS,
};

const clients = {
  guest,
  allow_empty_password: option({
    type: flag,
    default: false,
    about: 'Whether users may have no password.',
    live: true,
  }),
  disable_password_auth: option({
    type: flag,
    default: false,
    about: 'Refuse names with passwords; only tokens, and sessions made by administrators, count.',
    live: true,
  }),
  send_www_authenticate_header: option({
    type: flag,
    default: true,
    about: 'Whether a 401 carries a challenge, which makes browsers ask for a password.',
    live: true,
  }),
  session_cookie_name: option({
    type: cookieName(),
    default: 'SyncGatewaySession',
    about: 'Name of the session cookie.',
    live: true,
  }),
  session_cookie_secure: option({
    type: flag,
    default: false,
    about: 'Whether browsers send it over TLS only.',
    live: true,
  }),
  session_cookie_http_only: option({
    type: flag,
    default: true,
    about: 'Whether scripts of a page cannot read it.',
    live: true,
  }),
  serve_insecure_attachment_types: option({
    type: flag,
    default: false,
    about: 'Serve attachments that a browser would run (HTML, SVG, …) without forcing a download.',
    live: true,
  }),
  disable_public_all_docs: option({
    type: flag,
    default: false,
    about: 'Refuse `_all_docs` on the public interface.',
    live: true,
  }),
  changes_request_plus: unneededOption({
    type: flag,
    default: false,
    about: 'Feeds that see all earlier writes; here every feed does.',
  }),
  client_partition_window_secs: unneededOption({
    type: integer(0),
    default: 2_592_000,
    about: 'How long removals are told to absent clients; here for ever.',
  }),
  cors: DATABASE_CORS,
  oidc: laterOption({
    type: anything,
    default: undefined,
    about: 'Users of OpenID Connect providers.',
    secret: 'whole',
  }),
  local_jwt: LOCAL_JWT,
};

const nodes = {
  delta_sync: laterOption({
    type: anything,
    default: { enabled: false, rev_max_age_seconds: 86_400 },
    about: 'Whether clients are sent deltas of documents.',
    isHarmless: isOff,
  }),
  sgreplicate_enabled: laterOption({
    type: flag,
    default: true,
    about: 'Whether this node runs replications.',
    // NOTE: there are none to run yet.
    isHarmless: () => true,
  }),
  sgreplicate_websocket_heartbeat_secs: unneededOption({
    type: integer(1),
    default: 300,
    about: 'Heartbeat of replications, in seconds.',
  }),
  replications: laterOption({
    type: anything,
    default: undefined,
    about: 'Replications with other gateways.',
    secret: 'whole',
    isHarmless: isEmpty,
  }),
  event_handlers: EVENT_HANDLERS,
  suspendable: unneededOption({
    type: flag,
    default: false,
    about: 'Has no effect in Sync Gateway 4.x either.',
  }),
  logging: DATABASE_LOGGING,
};

/** The configuration of one database: `admin.md` §3. */
export const DATABASE_OPTIONS = {
  name: option({ type: text(0, 250), default: undefined, about: 'As in the URL.' }),
  bucket: option({
    type: text(1, 250),
    default: undefined,
    about: 'The bucket. Default: the name of the database.',
  }),
  offline: option({ type: flag, default: false, about: 'Start offline.', live: true }),
  offline_drain_secs: option({
    type: integer(0, 3600),
    default: 30,
    about:
      'How long requests may take to be answered after the database went offline or got another ' +
      'configuration, in seconds; then they are cut off.',
    live: true,
  }),
  feed_lost_offline_secs: option({
    type: integer(1, 86_400),
    default: undefined,
    about:
      'How long the bucket may not be readable, or be kept from being written by another process, ' +
      'before the database goes offline by itself, in seconds. Until then it is tried again and ' +
      'again; from then on, an administrator brings it back with `_online`. Default: 30 where it ' +
      'cannot be read; where it can, however long it is locked, only writes are refused, and all ' +
      'goes on when the lock ends.',
    live: true,
  }),
  scopes: SCOPES,
  ...documents,
  ...functions,
  ...clients,
  cache: CACHE_OPTIONS,
  ...nodes,
  unsupported: UNSUPPORTED_OPTIONS,
  ...COUCHBASE_OPTIONS,
} as const;

/** What to say of properties of other places and times. */
export const DATABASE_HINTS: Readonly<Record<string, string>> = {
  server: 'is not set for a single database; it is bootstrap.server of the start-up configuration',
  username: 'is not set for a single database',
  password: 'is not set for a single database',
  certpath: 'is not set for a single database',
  keypath: 'is not set for a single database',
  cacertpath: 'is not set for a single database',
  bcrypt_cost: 'belongs into the start-up configuration: auth.bcrypt_cost',
  roles: 'roles are not part of the configuration: use PUT /{db}/_role/{name}',
  rev_cache_size: 'is the form of Sync Gateway 1.x; write cache.rev_cache.size',
  'guest.password': 'the guest has no password',
};

function cookieName() {
  const type = text(1, 100);
  return {
    says: 'a name of letters, digits and the signs that a cookie’s name may have',
    schema: type.schema.refine((name) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)),
  };
}
