import type { ChangesFeed } from '../changes/changes-feed.ts';
import type { FeedRow } from '../changes/feed-row.ts';
import type { Database } from '../database/database.ts';
import { GatewayError } from '../util/errors.ts';
import { parseJson } from './body.ts';
import { changesBody } from './changes-request.ts';
import type { ChangesBody, ChangesRequest } from './changes-request.ts';
import { FeedTimer } from './feed-timer.ts';
import { tellPage } from './feed-transport.ts';
import type { Sending } from './feed-transport.ts';
import type { GzipSessions } from './gzip-session.ts';
import type { LiveSocket } from './live-socket.ts';
import type { RestServices } from './rest-services.ts';

/** What a feed takes that is sent over a WebSocket; its request comes with the first message. */
export interface SocketSending extends Omit<Sending, 'request' | 'signal'> {
  readonly services: Sending['services'] & Pick<RestServices, 'zips'>;
  /** Throws `badRequest`. */
  readonly request: (body: ChangesBody) => ChangesRequest;
  readonly open: (request: ChangesRequest) => ChangesFeed;
  /** Waits for the feed before it ends. */
  readonly database: Pick<Database, 'enter' | 'leave'>;
}

/** The most rows, and about the most characters, of one message: some clients take no larger. */
const MESSAGE_ROWS_MAX = 200;
const MESSAGE_CHARS_MAX = 256 * 1024;

/**
 * The feed over a WebSocket, as the reference documents it. The client says what it wants in one
 * message, the body of a POST to `_changes`; then come messages that are JSON arrays of rows, an
 * empty one when everything that was there is told, and empty messages as heartbeats. With
 * `accept_encoding: "gzip"` they are binary, all together one gzip stream.
 */
export async function runSocketFeed(socket: LiveSocket, sending: SocketSending): Promise<void> {
  const { services, closing } = sending;
  const body = optionsOf(await socket.firstMessage(services.ticker));
  const request = sending.request(body);
  using _ = enter(sending.database, socket);
  using feed = sending.open(request);
  // Where there are too many compressed feeds it is text, which clients must expect.
  using zip = wantsGzip(body) ? services.zips.open() : undefined;
  using timer = timerOf(sending, request, () => socket.beat({ binary: zip !== undefined }));
  socket.onEnd(timer);
  const { signal } = timer;
  const messages: Messages = { socket, zip, signal };
  let toldBacklog = false;
  for (;;) {
    const told = await tellPage(feed, signal, async (rows) => {
      for (const some of portions(rows)) await send(messages, services.messages.of(some).bytes);
      timer.sent();
    });
    if (told === 'ended' || signal.aborted) break;
    if (told === 'more') continue;
    if (!toldBacklog) await send(messages, '[]');
    toldBacklog = true;
    // As in a continuous feed: rows stay where they are until it is this feed's turn.
    await feed.wait(signal);
    if (!signal.aborted) await services.pace.turn();
  }
  // Also where its time is up: a stream without its end is not unpacked by everybody.
  const endsWell = !timer.lapsed && !closing.aborted && !socket.isStopping && !socket.isGone;
  if (zip !== undefined && endsWell)
    await sendBytes({ ...messages, signal: closing }, await zip.finish());
  if (timer.lapsed) throw new GatewayError('unauthorized', 'login is required');
  closing.throwIfAborted();
}

/** The database waits for the feed, until it is disposed of. Throws `unavailable`. */
function enter(database: SocketSending['database'], socket: LiveSocket): Disposable {
  const slot = database.enter(socket);
  return { [Symbol.dispose]: () => database.leave(slot, socket) };
}

function timerOf(
  { services, closing, observer, holds }: SocketSending,
  { heartbeatMs, timeoutMs }: ChangesRequest,
  beat: () => void,
): FeedTimer {
  const { ticker } = services;
  return new FeedTimer({
    ticker,
    observer,
    heartbeatMs,
    timeoutMs,
    endings: [closing],
    beat,
    holds,
  });
}

function optionsOf(text: string): ChangesBody {
  if (text.trim() === '')
    throw new GatewayError('badRequest', 'the first message is the options of the feed, as JSON');
  return parseJson(text, changesBody);
}

/** The text that the documentation of the reference names, and a shorter one. */
function wantsGzip({ accept_encoding: encoding, compress }: ChangesBody): boolean {
  return compress === true || encoding === 'gzip';
}

function* portions(rows: readonly FeedRow[]): Generator<readonly FeedRow[]> {
  let start = 0;
  let chars = 0;
  for (const [index, { text }] of rows.entries()) {
    const isFull = index - start === MESSAGE_ROWS_MAX || chars + text.length > MESSAGE_CHARS_MAX;
    if (isFull && index > start) {
      yield rows.slice(start, index);
      start = index;
      chars = 0;
    }
    chars += text.length;
  }
  if (start < rows.length) yield start === 0 ? rows : rows.slice(start);
}

/** Messages of one kind: text, or the pieces of a gzip stream. */
interface Messages {
  readonly socket: LiveSocket;
  readonly zip: ReturnType<GzipSessions['open']>;
  readonly signal: AbortSignal;
}

async function send(messages: Messages, content: string | Buffer): Promise<void> {
  const { socket, zip, signal } = messages;
  if (zip === undefined) return socket.send(content, { binary: false, signal });
  return sendBytes(messages, await zip.pack(content));
}

function sendBytes({ socket, signal }: Messages, bytes: Buffer): Promise<void> {
  return socket.send(bytes, { binary: true, signal });
}
