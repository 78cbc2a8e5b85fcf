import type { ChangesFeed, FeedPage } from '../changes/changes-feed.ts';
import { sequenceJson } from '../changes/sequence-id.ts';
import { jsonChunks } from './answer.ts';
import type { Answer, Chunks, Sink } from './answer.ts';
import type { ChangesRequest } from './changes-request.ts';
import { isGatewayError } from '../util/errors.ts';
import { FeedTimer } from './feed-timer.ts';
import type { RestServices } from './rest-services.ts';

/** What sending a feed takes. */
export interface Sending {
  readonly services: Pick<RestServices, 'ticker' | 'pace' | 'lines'>;
  readonly request: ChangesRequest;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Aborts when the database stops serving. */
  readonly closing: AbortSignal;
}

/** A feed as the answer of a request; disposes of it in the end. */
export function changesAnswer(feed: ChangesFeed, sending: Sending): Answer {
  switch (sending.request.feed) {
    case 'normal':
      return jsonChunks(200, normal(feed, sending));
    case 'longpoll':
      return feedAnswer('application/json', (sink) => longpoll(feed, sending, sink));
    case 'continuous':
      return feedAnswer('application/octet-stream', (sink) => continuous(feed, sending, sink));
  }
}

function feedAnswer(contentType: string, run: (sink: Sink) => Promise<void>): Answer {
  return { status: 200, headers: {}, body: { kind: 'feed', contentType, run } };
}

const BEGIN = '{"results":[\n';

async function* normal(feed: ChangesFeed, { signal }: Sending): Chunks {
  using _ = feed;
  let before = BEGIN;
  for (;;) {
    const page = await feed.nextPage(signal);
    signal.throwIfAborted();
    if (page.rows.length > 0) {
      yield before + joined(page);
      before = ',\n';
    }
    if (page.caughtUp || page.ended) break;
  }
  yield (before === BEGIN ? BEGIN : '\n') + endingOf(feed);
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
    if (page.caughtUp) await comingRows(feed, signal, sending);
  }
  await sink.write((before === BEGIN ? BEGIN : '\n') + endingOf(feed));
}

/** One line a row, on and on. */
async function continuous(feed: ChangesFeed, sending: Sending, sink: Sink): Promise<void> {
  using _ = feed;
  using timer = timerOf(sending, sink);
  const { signal } = timer;
  const { lines } = sending.services;
  let isOpen = false;
  try {
    for (;;) {
      const page = await feed.nextPage(signal);
      if (page.rows.length > 0) {
        await sink.write(lines.of(page.rows));
        timer.sent();
      }
      if (page.ended || signal.aborted) return;
      // An error of the first page could still be told; from here on the client may know it waits.
      sink.open();
      isOpen = true;
      if (page.caughtUp) await comingRows(feed, signal, sending);
    }
  } catch (cause) {
    // The user is gone, or the database: what was sent are whole rows; the next request is told.
    if (!isOpen || !isGatewayError(cause)) throw cause;
  }
}

/**
 * Resolves when there may be rows, and it is this feed's turn to write: so long they stay where
 * they are.
 */
async function comingRows(
  feed: ChangesFeed,
  signal: AbortSignal,
  { services }: Sending,
): Promise<void> {
  await feed.wait(signal);
  if (!signal.aborted) await services.pace.turn();
}

function timerOf({ services, request, closing }: Sending, sink: Sink): FeedTimer {
  return new FeedTimer({
    ticker: services.ticker,
    heartbeatMs: request.heartbeatMs,
    timeoutMs: request.timeoutMs,
    endings: [sink.signal, closing],
    beat: () => sink.beat(),
  });
}
