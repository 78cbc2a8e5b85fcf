import { sequenceJson } from '../../changes/sequence-id.ts';
import type { Database } from '../../database/database.ts';
import { feedAsked } from '../../observability/events.ts';
import type { Session } from '../../principals/sessions.ts';
import type { Awaitable } from '../../util/awaitable.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import type { Answer } from '../answer.ts';
import { jsonBody, noBody } from '../body.ts';
import { changesBody, changesQuery, changesRequest } from '../changes-request.ts';
import type { ChangesBody, ChangesQuery, ChangesRequest } from '../changes-request.ts';
import { requireSocketOrigin } from '../cors.ts';
import { changesAnswer } from '../feed-transport.ts';
import type { LiveSocket } from '../live-socket.ts';
import { route } from '../route.ts';
import type { Handling } from '../route.ts';
import { runSocketFeed } from '../socket-feed.ts';
import type { SocketSending } from '../socket-feed.ts';
import { changes } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

export const getChanges = route({
  method: 'GET',
  path: '/{keyspace}/_changes',
  about:
    'What changed after `since`, that the reader may see: once, at the next change, or for ever.',
  access: 'reader',
  query: changesQuery,
  body: noBody,
  answers: { 101: {}, 200: { ...jsonContent(changes), 'application/octet-stream': null } },
  refuses: ['forbidden'],
  handle: (handling) => {
    const { query, headers, port, services, database } = handling;
    if (query.feed !== 'websocket' || headers.upgrade === undefined)
      return answer(handling, undefined);
    requireSocketOrigin(headers, port, { services, database });
    return socketAnswer(handling);
  },
});

export const postChanges = route({
  method: 'POST',
  path: '/{keyspace}/_changes',
  about: 'As GET, with the parameters in the body.',
  access: 'reader',
  query: changesQuery,
  body: jsonBody(changesBody),
  answers: { 200: { ...jsonContent(changes), 'application/octet-stream': null } },
  handle: (handling) => answer(handling, handling.body),
});

type Asking = Pick<
  Handling<'/{keyspace}/_changes', 'reader', ChangesQuery, unknown>,
  'collection' | 'database' | 'reader' | 'session' | 'services' | 'query' | 'signal'
>;

function answer(asking: Asking, body: ChangesBody | undefined): Awaitable<Answer> {
  const { collection, reader, services, query, signal } = asking;
  const request = changesRequest(query, body, services.settings);
  if (request.feed === 'websocket')
    throw new GatewayError('badRequest', 'feed=websocket is opened with GET and a handshake');
  const feed = collection.changes(reader, request);
  feedAsked(collection.observer, askedOf(request));
  return changesAnswer(feed, { ...sendingOf(asking), request, signal });
}

/** The options of the feed come with the first message; what they leave open the query says. */
function socketAnswer(asking: Asking): Answer {
  const { collection, database, reader, services, query } = asking;
  const sending: SocketSending = {
    ...sendingOf(asking),
    database,
    request: (body) => changesRequest(query, { ...body, feed: 'websocket' }, services.settings),
    open: (request) => {
      feedAsked(collection.observer, askedOf(request));
      return collection.changes(reader, request);
    },
  };
  const run = (socket: LiveSocket): Promise<void> => runSocketFeed(socket, sending);
  return { status: SWITCHING_PROTOCOLS, headers: {}, body: { kind: 'socket', run } };
}

/** As the audit log tells it. */
function askedOf(request: ChangesRequest): Parameters<typeof feedAsked>[1] {
  const { since, feed, includeDocs, channels, docIds } = request;
  return {
    since: sequenceJson(since).replaceAll('"', ''),
    feed_type: feed,
    include_docs: includeDocs,
    channels,
    doc_ids: docIds,
  };
}

const SWITCHING_PROTOCOLS = 101;

function sendingOf({
  database,
  session,
  services,
}: Asking): Pick<SocketSending, 'services' | 'closing' | 'observer' | 'holds'> {
  const { closing, observer } = database;
  const holds = session === undefined ? undefined : () => sessionHolds(database, session);
  return { services, closing, observer, holds };
}

/** Where the bucket cannot be asked, the session is given time. */
async function sessionHolds({ sessions }: Database, { id }: Session): Promise<boolean> {
  try {
    await sessions.get(id);
    return true;
  } catch (cause) {
    return !isGatewayError(cause, 'missing');
  }
}
