import type { Collection } from '../database/collection.ts';
import type { Database } from '../database/database.ts';
import type { Log } from '../observability/log.ts';
import type { Reader } from '../principals/access.ts';
import { GatewayError } from '../util/errors.ts';
import type { Answer } from './answer.ts';
import type { BodyWatch } from './body-watch.ts';
import { applyCors } from './cors.ts';
import type { Exchange } from './exchange.ts';
import { noSuchPath, splitKeyspace } from './path-parameters.ts';
import { readQuery } from './query.ts';
import type { RawQuery } from './query.ts';
import type { RestServices } from './rest-services.ts';
import type { AnyHandling, Port, Route } from './route.ts';
import { cookieOf } from './session-cookie.ts';

/** What the server knows of a request before it asks anything below. */
export interface Arrived {
  readonly exchange: Exchange;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly query: RawQuery;
}

export interface PortContext {
  readonly port: Port;
  readonly services: RestServices;
  readonly watch: BodyWatch;
  readonly log: Log;
}

/**
 * From a route to its answer, in the order in which the reference decides: database, credentials,
 * state, keyspace, query, body, handler (`admin.md` §1 and §4).
 */
export async function answerRequest(arrived: Arrived, context: PortContext): Promise<Answer> {
  const { exchange, route, params } = arrived;
  const { port, services, log } = context;
  const { headers } = exchange.request;
  const { database, keyspace } = findDatabase(arrived, context);
  exchange.observer = database?.observer;
  exchange.challenge = database?.config.send_www_authenticate_header ?? true;
  const reader = route.access === 'public' ? undefined : await readerOf(exchange, database, port);
  if (database !== undefined && !route.whileOffline && database.state !== 'Online')
    throw new GatewayError('unavailable', `the database is ${database.state.toLowerCase()}`);
  let collection: Collection | undefined;
  if (params['keyspace'] !== undefined) collection = database?.collection(keyspace);
  else if (keyspace !== undefined)
    throw new GatewayError('badRequest', 'this endpoint takes a database, not a collection of it');
  const query = readQuery(route.query, arrived.query);
  const body = await route.body.read({
    request: exchange.request,
    watch: context.watch,
    documentBytesMax: database?.config.limits.document_bytes_max ?? SMALL_BYTES_MAX,
    listBytesMax: services.settings.requestBytesMax,
  });
  const handling: AnyHandling = {
    params,
    query,
    body,
    headers,
    port,
    services,
    log,
    reader,
    database,
    collection,
    signal: exchange.signal,
  };
  return route.handle(handling);
}

/** Throws `unauthorized`. A session that got a new lifetime brings its cookie with the answer. */
async function readerOf(
  exchange: Exchange,
  database: Database | undefined,
  port: Port,
): Promise<Reader | undefined> {
  if (port === 'admin') return ADMIN;
  if (database === undefined) return undefined;
  const identity = await database.authenticate(exchange.request.headers, exchange.signal);
  const { reader } = identity;
  if (reader.kind === 'user') exchange.user = reader.access.name;
  if (identity.by === 'session' && identity.extended)
    exchange.setHeader('Set-Cookie', cookieOf(database, identity.session));
  return reader;
}

/** Only documents have a limit of their own, and they are in databases. */
const SMALL_BYTES_MAX = 1024 * 1024;
const ADMIN: Reader = { kind: 'admin' };

interface Found {
  readonly database: Database | undefined;
  readonly keyspace: string | undefined;
}

function findDatabase(
  { exchange, params, route }: Arrived,
  { port, services }: PortContext,
): Found {
  const named = params['keyspace'] ?? params['db'];
  const database = databaseOf(params, services);
  if (port === 'public') applyCors(exchange, { services, database, path: route.path });
  if (named === undefined) return { database: undefined, keyspace: undefined };
  const { database: name, rest: keyspace } = splitKeyspace(named);
  if (database !== undefined) return { database, keyspace };
  // On the public port strangers do not learn which databases exist.
  if (port === 'public') throw new GatewayError('unauthorized', 'login is required');
  throw port === 'admin' ? new GatewayError('missing', `no database ${name}`) : noSuchPath();
}

/** The database that the path of a request names, in whatever way, where there is one. */
export function databaseOf(
  params: Arrived['params'],
  { registry }: Pick<RestServices, 'registry'>,
): Database | undefined {
  const named = params['keyspace'] ?? params['db'] ?? params['newdb'];
  return named === undefined ? undefined : registry.get(splitKeyspace(named).database);
}
