import type { Collection } from '../database/collection.ts';
import type { Database } from '../database/database.ts';
import type { Log } from '../observability/log.ts';
import type { Reader } from '../principals/access.ts';
import { GatewayError } from '../util/errors.ts';
import type { Answer } from './answer.ts';
import type { BodyWatch } from './body-watch.ts';
import type { Exchange } from './exchange.ts';
import { noSuchPath, splitKeyspace } from './path-parameters.ts';
import { readQuery } from './query.ts';
import type { RawQuery } from './query.ts';
import type { RestServices } from './rest-services.ts';
import type { AnyHandling, Port, Route } from './route.ts';

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
  const { database, keyspace } = findDatabase(params, context);
  exchange.observer = database?.observer;
  exchange.challenge = database?.config.send_www_authenticate_header ?? true;
  let reader: Reader | undefined;
  if (route.access !== 'public')
    reader = port === 'admin' ? ADMIN : await database?.authenticate(headers, exchange.signal);
  if (reader?.kind === 'user') exchange.user = reader.access.name;
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

/** Only documents have a limit of their own, and they are in databases. */
const SMALL_BYTES_MAX = 1024 * 1024;
const ADMIN: Reader = { kind: 'admin' };

interface Found {
  readonly database: Database | undefined;
  readonly keyspace: string | undefined;
}

function findDatabase(params: Arrived['params'], { port, services }: PortContext): Found {
  const named = params['keyspace'] ?? params['db'];
  if (named === undefined) return { database: undefined, keyspace: undefined };
  const { database: name, rest } = splitKeyspace(named);
  const database = services.registry.get(name);
  if (database !== undefined) return { database, keyspace: rest };
  // On the public port strangers do not learn which databases exist.
  if (port === 'public') throw new GatewayError('unauthorized', 'login is required');
  throw port === 'admin' ? new GatewayError('missing', `no database ${name}`) : noSuchPath();
}
