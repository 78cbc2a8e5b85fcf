import type { ChangesFeed, FeedPage } from '../changes/changes-feed.ts';
import { sequenceJson } from '../changes/sequence-id.ts';
import type { Observer } from '../observability/events.ts';
import { jsonChunks, jsonText } from './answer.ts';
import type { Answer, Chunks, Sink } from './answer.ts';
import type { ChangesRequest } from './changes-request.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { isGatewayError } from '../util/errors.ts';
import { FeedTimer } from './feed-timer.ts';
import type { RestServices } from './rest-services.ts';
import { utf8Bytes } from './utf8-bytes.ts';

/** What sending a feed takes. */
export interface Sending {
  readonly services: Pick<RestServices, 'ticker' | 'pace' | 'lines' | 'messages'>;
  readonly request: ChangesRequest;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Aborts when the database stops serving. */
  readonly closing: AbortSignal;
  readonly observer: Observer;
  /** See `FeedTimer`. */
  readonly holds?: (() => Promise<boolean>) | undefined;
}

/** A feed as the answer of a request; disposes of it in the end. */
export function changesAnswer(feed: ChangesFeed, sending: Sending): Awaitable<Answer> {
  if (sending.request.feed === 'normal') return normal(feed, sending);
  return sending.request.feed === 'longpoll'
    ? feedAnswer('application/json', (sink) => longpoll(feed, sending, sink))
    : feedAnswer(LINES_TYPE, (sink) => continuous(feed, sending, sink));
}

/** As the reference says it, so that nothing on the way waits for the end of a document. */
const LINES_TYPE = 'application/octet-stream';

function feedAnswer(contentType: string, run: (sink: Sink) => Promise<void>): Answer {
  return { status: 200, headers: {}, body: { kind: 'feed', contentType, run } };
}

const BEGIN = '{"results":[\n';

/** About the most characters that are sent as a whole. */
const WHOLE_CHARS_MAX = 32 * 1024;

/** All that there is; a little at once, as most polls are told nothing or little. */
async function normal(feed: ChangesFeed, { signal }: Sending): Promise<Answer> {
  using opening = new DisposableStack();
  opening.use(feed);
  const { texts, isLast } = await nextTexts(feed, signal, BEGIN);
  const [text = '', ...others] = texts;
  if (isLast && others.length === 0 && text.length <= WHOLE_CHARS_MAX)
    return jsonText(200, (text === '' ? BEGIN : `${text}\n`) + endingOf(feed));
  // From here on the answer owns the feed.
  opening.move();
  return jsonChunks(200, inPieces(feed, signal, { pieces: texts.map(utf8Bytes), isLast }));
}

async function* inPieces(
  feed: ChangesFeed,
  signal: AbortSignal,
  first: { readonly pieces: readonly Uint8Array[]; readonly isLast: boolean },
): Chunks {
  using _ = feed;
  yield* first.pieces;
  let hasTold = first.pieces.length > 0;
  for (let { isLast } = first; !isLast;) {
    const next = await nextTexts(feed, signal, hasTold ? ',\n' : BEGIN);
    for (const text of next.texts) yield utf8Bytes(text);
    if (next.texts.length > 0) hasTold = true;
    ({ isLast } = next);
  }
  yield (hasTold ? '\n' : BEGIN) + endingOf(feed);
}

/**
 * The rows of the next page, and before the first of them `before`. A function of its own, so that
 * nobody holds the page while it is sent and the next one is read: garbage collection copies what
 * is held, which would be half of what a row costs.
 */
async function nextTexts(
  feed: ChangesFeed,
  signal: AbortSignal,
  before: string,
): Promise<{ readonly texts: readonly string[]; readonly isLast: boolean }> {
  const { rows, caughtUp, ended } = await feed.nextPage(signal);
  signal.throwIfAborted();
  return { texts: textsOf(rows, before), isLast: caughtUp || ended };
}

/**
 * Rows of about so many characters are sent at once. From 128 KiB on, V8 and the C library may get
 * each text and buffer anew from the system, with a page fault for every page of it.
 */
const PIECE_CHARS = 112 * 1024;

/** The texts of the rows, and before the first of them `before`. */
function textsOf(rows: FeedPage['rows'], before: string): readonly string[] {
  const pieces: string[] = [];
  let texts: string[] = [];
  let chars = 0;
  let first = before;
  for (const row of rows) {
    texts.push(texts.length === 0 ? first + row.text : row.text);
    chars += row.text.length;
    if (chars < PIECE_CHARS) continue;
    pieces.push(texts.join(',\n'));
    texts = [];
    chars = 0;
    first = ',\n';
  }
  if (texts.length > 0) pieces.push(texts.join(',\n'));
  return pieces;
}

const joined = ({ rows }: FeedPage): string => rows.map(({ text }) => text).join(',\n');
const endingOf = (feed: ChangesFeed): string => `],\n"last_seq":${sequenceJson(feed.lastSeq)}}\n`;

/** Waits until there is something to tell, then tells all that there is. */
async function longpoll(feed: ChangesFeed, sending: Sending, sink: Sink): Promise<void> {
  using _ = feed;
  using timer = timerOf(sending, sink);
  const { signal } = timer;
  let before = BEGIN;
  for (;;) {
    const page = await feed.nextPage(signal);
    if (page.rows.length > 0) {
      await sink.write(before + joined(page));
      before = ',\n';
    }
    const told = before !== BEGIN;
    if (page.ended || signal.aborted || (page.caughtUp && told)) break;
    if (!page.caughtUp) continue;
    await feed.wait(signal);
    if (!signal.aborted) await sending.services.pace.turn();
  }
  await sink.write((before === BEGIN ? BEGIN : '\n') + endingOf(feed));
}

/** One line a row, on and on. */
async function continuous(feed: ChangesFeed, sending: Sending, sink: Sink): Promise<void> {
  using _ = feed;
  using timer = timerOf(sending, sink);
  const { signal } = timer;
  const { lines, pace } = sending.services;
  let isOpen = false;
  const send = (rows: FeedPage['rows']): Promise<void> | undefined => {
    timer.sent();
    return sink.write(lines.of(rows))?.then(() => timer.sent());
  };
  try {
    for (;;) {
      const told = await tellPage(feed, signal, send);
      if (told === 'ended' || signal.aborted) return;
      // An error of the first page could still be told; from here on the client may know it waits.
      sink.open();
      isOpen = true;
      if (told === 'more') continue;
      // Until it is this feed's turn to write, rows stay where they are. NOTE: no function of its
      // own, whose frame each waiting feed would hold.
      await feed.wait(signal);
      if (!signal.aborted) await pace.turn();
    }
  } catch (cause) {
    // The user is gone, or the database: what was sent are whole rows; the next request is told.
    if (!isOpen || !isGatewayError(cause)) throw cause;
  }
}

/**
 * Reads a page and has its rows sent, where there are any. A function of its own, so that a feed
 * that waits holds no page: rows are most of what it would cost.
 */
export async function tellPage(
  feed: ChangesFeed,
  signal: AbortSignal,
  send: (rows: FeedPage['rows']) => Promise<void> | undefined,
): Promise<'ended' | 'all' | 'more'> {
  const { rows, ended, caughtUp } = await feed.nextPage(signal);
  const sending = rows.length > 0 ? send(rows) : undefined;
  if (sending !== undefined) await sending;
  return ended ? 'ended' : caughtUp ? 'all' : 'more';
}

function timerOf(sending: Sending, sink: Sink): FeedTimer {
  const { services, request, closing, observer, holds } = sending;
  return new FeedTimer({
    ticker: services.ticker,
    observer,
    heartbeatMs: request.heartbeatMs,
    timeoutMs: request.timeoutMs,
    endings: [sink.signal, closing],
    beat: () => sink.beat(),
    holds,
  });
}
