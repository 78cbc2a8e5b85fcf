import { Authenticator } from '../auth/authenticate.ts';
import { openTokens } from '../auth/open-tokens.ts';
import type { DatabaseConfig, ParsedDatabaseConfig } from '../config/database-config.ts';
import type { Environment } from '../config/environment.ts';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import type { Audit } from '../observability/audit/audit.ts';
import type { Observer } from '../observability/events.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Passwords } from '../principals/passwords.ts';
import { Principals } from '../principals/principals.ts';
import { Sessions } from '../principals/sessions.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import { Collection } from './collection.ts';
import type { CollectionContext } from './collection-context.ts';
import type { DatabaseCompanion } from './companion.ts';
import { Database } from './database.ts';
import type { DatabaseRecord } from './database-record.ts';
import type { DatabaseStates } from './database-states.ts';
import { runExpiry } from './expiry.ts';
import { DEFAULT_GROUP } from './group-records.ts';
import { metadataIdOf } from './metadata-id.ts';
import type { OpenBucket } from './open-buckets.ts';
import { importingContexts } from './open-import-rules.ts';
import { tellCacheFigures } from './cache-figures.ts';
import type { SharedContext } from './open-collections.ts';
import { collectionIds } from './open-collections.ts';

/** What all databases of a gateway share. */
export interface DatabaseServices {
  readonly sandbox: Sandbox;
  readonly passwords: Passwords;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined: there is no audit log. */
  readonly audit?: Audit | undefined;
  readonly clock: Clock;
  /** By which keys of tokens are read. */
  readonly outgoing: OutgoingRequests;
  /** What `${NAME}` stands for in configurations; undefined: itself. */
  readonly variables?: Environment | undefined;
  /** Whose configurations are served: those of this group of nodes; default: `default`. */
  readonly group?: string;
  /** What hangs on to each database. */
  readonly companions?: readonly DatabaseCompanion[];
}

/** Which database is opened, and how. */
export interface OpeningOptions {
  readonly record: DatabaseRecord;
  readonly parsed: ParsedDatabaseConfig;
  readonly states: DatabaseStates;
  readonly observer: Observer;
  readonly startedMs: number;
  /** False: to be offline; its functions are not compiled, and its guest is as it was. */
  readonly serving: boolean;
}

/**
 * Opens what a database is made of, in reading order; where something fails, what is open by then
 * is closed. Throws `badRequest` for a sync function that does not compile.
 */
export async function openDatabase(
  services: DatabaseServices,
  openBucket: OpenBucket,
  options: OpeningOptions,
): Promise<Database> {
  const { record, parsed, states, observer, startedMs } = options;
  const { config } = parsed;
  const { bucket, cache, member } = openBucket;
  const { clock, sandbox, group = DEFAULT_GROUP } = services;
  const metadataId = metadataIdOf(record);
  const { log } = observer;
  await using opening = new AsyncDisposableStack();
  for (const warning of parsed.warnings)
    log.with({ key: 'Config' }).warn('configuration', { warning });
  tellCacheFigures(observer, cache);
  const principals = new Principals({
    bucket,
    database: metadataId,
    collections: await collectionIds(bucket, config),
    defaultCollection: await bucket.openCollection(DEFAULT_COLLECTION),
    passwords: services.passwords,
    log,
    allowEmptyPassword: config.allow_empty_password,
  });
  const sessions = new Sessions({ bucket, database: metadataId, principals, clock, log });
  const shared: SharedContext = {
    bucket,
    database: metadataId,
    config,
    clock,
    observer,
    refresh: ({ name }) => principals.reader(name),
  };
  const collections = options.serving
    ? await importingContexts(shared, { sandbox, group }, opening)
    : new Map<string, CollectionContext>();
  if (options.serving) await principals.configureGuest(config.guest);
  startExpiry(opening, [...collections.values()]);
  const database = new Database({
    record,
    parsed,
    states,
    openBucket,
    principals,
    sessions,
    authenticator: new Authenticator({
      principals,
      sessions,
      ...authenticatorOptions(config),
      tokens: openTokens(config.local_jwt, { ...services, observer }, opening),
      observer,
      clock,
    }),
    collections: new Map(
      [...collections].map(([name, context]) => [name, new Collection(context, cache)]),
    ),
    observer,
    clock,
    startedMs,
    close: () => parts.disposeAsync(),
  });
  if (options.serving) {
    const { name, createdAt } = record;
    const { closing } = database;
    const serving = { name, createdAt, config, bucket, member, collections, observer, closing };
    for (const companion of services.companions ?? []) opening.use(await companion.start(serving));
  }
  const parts = opening.move();
  return database;
}

function authenticatorOptions(config: DatabaseConfig) {
  const { session_cookie_name: cookieName, disable_password_auth: disablePasswordAuth } = config;
  return { cookieName, disablePasswordAuth };
}

/** Ends, and is awaited, with the stack. */
function startExpiry(
  opening: AsyncDisposableStack,
  collections: readonly CollectionContext[],
): void {
  const stop = new AbortController();
  const ofGateway = collections.map((context) => ({
    ...context,
    observer: { ...context.observer, byGateway: true },
  }));
  const running = runExpiry(ofGateway, stop.signal);
  opening.defer(async () => {
    stop.abort();
    await running;
  });
}
