import { z } from 'zod';
import type { ChangesFeedOptions } from '../changes/changes-feed.ts';
import { parseSequenceId } from '../changes/sequence-id.ts';
import { GatewayError } from '../util/errors.ts';
import { flag, given, wholeNumber } from './query.ts';

/** What a request wants of `_changes`. */
export interface ChangesRequest extends ChangesFeedOptions {
  readonly feed: FeedKind;
  /** How long to wait for a change, ms; 0: for ever. Not counted while there is a heartbeat. */
  readonly timeoutMs: number;
  /** An empty line so often while there is nothing to tell, ms; 0: never. */
  readonly heartbeatMs: number;
}

export type FeedKind = 'normal' | 'longpoll' | 'continuous' | 'websocket';

/** As the reference documents them. */
const TIMEOUT_MS_DEFAULT = 300_000;
const TIMEOUT_MS_MAX = 900_000;
/** The reference has 25 s here; proxies with a shorter patience are known, and beats are cheap. */
const HEARTBEAT_MS_MIN = 1_000;

const FEEDS: readonly string[] = [
  'normal',
  'longpoll',
  'continuous',
  'websocket',
] satisfies FeedKind[];

/** The parameters as they stand in a query string. */
export const changesQuery = z.object({
  feed: given,
  since: z.string().optional(),
  limit: wholeNumber(0),
  style: given,
  heartbeat: wholeNumber(0),
  timeout: wholeNumber(0),
  include_docs: flag,
  active_only: flag,
  revocations: flag,
  filter: given,
  channels: z.string().optional(),
  doc_ids: z.string().optional(),
});

const whole = z.number().int().nonnegative().optional();

/** The parameters as they stand in the body of a POST. */
export const changesBody = z.object({
  feed: z.string().optional(),
  since: z.unknown().optional(),
  limit: whole,
  style: z.string().optional(),
  heartbeat: whole,
  timeout: whole,
  include_docs: z.boolean().optional(),
  active_only: z.boolean().optional(),
  revocations: z.boolean().optional(),
  filter: z.string().optional(),
  channels: z.string().optional(),
  doc_ids: z.array(z.string()).optional(),
  /** Of a WebSocket: `gzip`. */
  accept_encoding: z.string().optional(),
  /** The same, shorter. */
  compress: z.boolean().optional(),
});

export type ChangesQuery = z.output<typeof changesQuery>;
export type ChangesBody = z.output<typeof changesBody>;

/**
 * The request, what the body says before what the query says. Throws `badRequest` for a feed,
 * filter or sequence that is none, and for filters without what they filter by.
 */
export function changesRequest(
  query: ChangesQuery,
  body: ChangesBody | undefined,
  { heartbeatMsMax }: { readonly heartbeatMsMax: number },
): ChangesRequest {
  const feed = oneOf(body?.feed ?? query.feed ?? 'normal', FEEDS, 'feed') as FeedKind;
  const style = oneOf(body?.style ?? query.style ?? 'main_only', STYLES, 'style');
  const heartbeat = body?.heartbeat ?? query.heartbeat ?? 0;
  return {
    feed,
    since: parseSequenceId(body?.since ?? query.since),
    limit: body?.limit ?? query.limit ?? 0,
    style: style as ChangesFeedOptions['style'],
    includeDocs: body?.include_docs ?? query.include_docs ?? false,
    activeOnly: body?.active_only ?? query.active_only ?? false,
    revocations: body?.revocations ?? query.revocations ?? false,
    timeoutMs: timeoutOf(body?.timeout ?? query.timeout ?? TIMEOUT_MS_DEFAULT, heartbeat),
    heartbeatMs: heartbeatOf(heartbeat, heartbeatMsMax),
    ...filterOf(query, body, feed),
  };
}

const STYLES: readonly string[] = ['main_only', 'all_docs'] satisfies ChangesFeedOptions['style'][];

function oneOf(text: string, allowed: readonly string[], name: string): string {
  if (allowed.includes(text)) return text;
  throw new GatewayError('badRequest', `${name} is one of ${allowed.join(', ')}`);
}

function timeoutOf(timeoutMs: number, heartbeatMs: number): number {
  if (heartbeatMs > 0 || timeoutMs === 0) return 0;
  return Math.min(timeoutMs, TIMEOUT_MS_MAX);
}

function heartbeatOf(heartbeatMs: number, mostMs: number): number {
  if (heartbeatMs === 0) return 0;
  const capped = mostMs === 0 ? heartbeatMs : Math.min(heartbeatMs, mostMs);
  return Math.max(capped, HEARTBEAT_MS_MIN);
}

function filterOf(
  query: ChangesQuery,
  body: ChangesBody | undefined,
  feed: FeedKind,
): Pick<ChangesFeedOptions, 'channels' | 'docIds'> {
  const filter = body?.filter ?? query.filter ?? '';
  switch (filter) {
    case '':
      return {};
    case 'sync_gateway/bychannel': {
      const channels = commaSeparated(body?.channels ?? query.channels ?? '');
      if (channels.length === 0)
        throw new GatewayError('badRequest', 'the filter sync_gateway/bychannel needs channels');
      return { channels };
    }
    case '_doc_ids': {
      const docIds = body?.doc_ids ?? docIdsOf(query.doc_ids);
      if (docIds === undefined)
        throw new GatewayError('badRequest', 'the filter _doc_ids needs doc_ids');
      // As recorded in changes/continuous-lines and changes/longpoll-wait.
      if (feed !== 'normal')
        throw new GatewayError('badRequest', 'the filter _doc_ids goes with feed=normal only');
      return { docIds };
    }
    default:
      throw new GatewayError(
        'badRequest',
        'the filter is sync_gateway/bychannel or _doc_ids; filter functions are not served',
      );
  }
}

const commaSeparated = (text: string): readonly string[] =>
  text.split(',').filter((name) => name !== '');

/** A JSON list, or names with commas between them. */
function docIdsOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined || text === '') return undefined;
  if (!text.startsWith('[')) return commaSeparated(text);
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch (cause) {
    throw new GatewayError('badRequest', 'doc_ids is a JSON list of ids', { cause });
  }
}
