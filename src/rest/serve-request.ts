import type { Identity } from '../auth/authenticate.ts';
import type { Collection } from '../database/collection.ts';
import type { Database } from '../database/database.ts';
import { auditSender, auditTarget } from '../observability/audit/audited-request.ts';
import type { Log } from '../observability/log.ts';
import type { Reader } from '../principals/access.ts';
import { auditedReader } from '../principals/audited-reader.ts';
import type { Session } from '../principals/sessions.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { GatewayError } from '../util/errors.ts';
import type { Answer } from './answer.ts';
import { tellAnswered } from './audited-answer.ts';
import type { BodyWatch } from './body-watch.ts';
import { applyCors } from './cors.ts';
import type { Exchange } from './exchange.ts';
import { noSuchPath, splitKeyspace } from './path-parameters.ts';
import { readQuery } from './query.ts';
import type { RawQuery } from './query.ts';
import type { RestServices } from './rest-services.ts';
import type { Port, Route } from './route.ts';
import { ServedHandling } from './served-handling.ts';
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
  const { database: found, keyspace } = findDatabase(arrived, context);
  exchange.observer = found?.observer;
  exchange.challenge = found?.config.send_www_authenticate_header ?? true;
  if (services.audit !== undefined) auditTarget(found?.name, undefined);
  const asked = route.access === 'public' ? NOBODY : senderOf(exchange, found, port);
  const sender = asked instanceof Promise ? await asked : asked;
  if (services.audit !== undefined) auditKnown(sender, found, { arrived, keyspace, port });
  const database = found && enterDatabase(found, arrived, services);
  let collection: Collection | undefined;
  if (params['keyspace'] !== undefined && !(route.ofAll === true && keyspace === undefined)) {
    if (route.whileOffline) database?.collectionConfig(keyspace);
    else collection = database?.collection(keyspace);
  }
  if (params['keyspace'] === undefined && keyspace !== undefined)
    throw new GatewayError('badRequest', 'this endpoint takes a database, not a collection of it');
  const query = readQuery(route.query, arrived.query);
  const held = exchange.hold(context.watch);
  const reading = route.body.read({
    request: exchange.request,
    watch: context.watch,
    held,
    documentBytesMax: database?.config.limits.document_bytes_max ?? SMALL_BYTES_MAX,
    listBytesMax: services.settings.requestBytesMax,
  });
  const body: unknown = reading instanceof Promise ? await (reading as Promise<unknown>) : reading;
  const { reader, session } = sender;
  const handling = new ServedHandling({
    exchange,
    params,
    query,
    body,
    held,
    port,
    services,
    log,
    reader,
    session,
    database,
    collection,
  });
  const answer = await route.handle(handling);
  if (services.audit !== undefined) tellAnswered(services.audit, route, { handling, answer });
  return answer;
}

/** What is known of the request by now goes into each line that it brings about. */
function auditKnown(
  { reader }: Sender,
  database: Database | undefined,
  {
    arrived,
    keyspace,
    port,
  }: {
    readonly arrived: Arrived;
    readonly keyspace: string | undefined;
    readonly port: Port;
  },
): void {
  const known = reader ?? (port === 'public' ? undefined : ADMIN.reader);
  if (known !== undefined) auditSender(auditedReader(known));
  const { params, route } = arrived;
  const isOfAll = route.ofAll === true && keyspace === undefined;
  if (database === undefined || params['keyspace'] === undefined || isOfAll) return;
  auditTarget(database.name, `${database.name}.${database.fullName(keyspace)}`);
}

/**
 * The database as it is by now, which waits for the request from here on. Throws `unavailable`
 * while it is not online, where the route needs that, and `missing` where it was deleted meanwhile.
 */
function enterDatabase(
  found: Database,
  { exchange, route }: Arrived,
  { registry }: RestServices,
): Database {
  const { current } = registry.served(found.name);
  if (!route.whileOffline) exchange.enter(current);
  return current;
}

interface Sender {
  readonly reader: Reader | undefined;
  readonly session: Session | undefined;
}

const NOBODY: Sender = { reader: undefined, session: undefined };
const ADMIN: Sender = { reader: { kind: 'admin' }, session: undefined };

/** Rejects with `unauthorized`. */
function senderOf(
  exchange: Exchange,
  database: Database | undefined,
  port: Port,
): Awaitable<Sender> {
  if (port === 'admin') return ADMIN;
  if (database === undefined) return NOBODY;
  const identity = database.authenticate(exchange.request.headers, exchange);
  if (identity instanceof Promise)
    return identity.then((known) => knownSender(exchange, database, known));
  return knownSender(exchange, database, identity);
}

/** A session that got a new lifetime brings its cookie with the answer. */
function knownSender(exchange: Exchange, database: Database, identity: Identity): Sender {
  const { reader } = identity;
  if (reader.kind === 'user') exchange.user = reader.access.name;
  if (identity.by !== 'session') return { reader, session: undefined };
  if (identity.extended) exchange.setHeader('Set-Cookie', cookieOf(database, identity.session));
  return { reader, session: identity.session };
}

/** Only documents have a limit of their own, and they are in databases. */
const SMALL_BYTES_MAX = 1024 * 1024;

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
