import type { Values } from './option.ts';
import { group, option, tableList } from './option.ts';
import type { ValueType } from './value-type.ts';
import { flag, integer, javascript, listOf, oneOf, text, webUrl } from './value-type.ts';

const HANDLERS_MAX = 64;
const DAY_SECS = 86_400;

const url = option({
  type: webUrl,
  default: undefined,
  about: 'Where the event is sent, by POST. Credentials in it go as Basic authentication.',
  secret: 'url',
  live: true,
});

const secret = option({
  type: text(1, 1024),
  default: undefined,
  about:
    'Key of the signature: each request then has the header `X-Tidegate-Signature`, `sha256=` ' +
    'and the HMAC-SHA-256 of its body in hexadecimal.',
  secret: 'whole',
  live: true,
});

const timeout = option({
  type: integer(0, 3600),
  default: 60,
  about: 'The longest that one request may take, in seconds. 0 means 600.',
  live: true,
});

const webhook = group('One webhook.', {
  handler: option({
    type: oneOf('webhook'),
    default: undefined,
    about: 'The kind of handler: must be given.',
    live: true,
  }),
  id: option({
    type: handlerId(),
    default: undefined,
    about:
      'A name for this handler: with it the handler keeps its place in the history when its url ' +
      'changes. Default: made from the url.',
    live: true,
  }),
  url,
  filter: option({
    type: javascript,
    default: '',
    about:
      'Source of a function of the event’s JSON: what it answers falsy, or throws at, is not sent.',
    live: true,
  }),
  timeout,
  secret,
  options: group('What concerns the event.', {
    winning_rev_only: option({
      type: flag,
      default: false,
      about: 'Whether only winning revisions are told, not those of losing branches.',
      live: true,
    }),
  }),
  max_attempts: option({
    type: integer(1, 1000),
    default: 10,
    about:
      'Refusals after which an event becomes a dead letter. That nobody answers, or answers 408, ' +
      '425, 429, 502, 503 or 504, counts only where another event was accepted meanwhile.',
    live: true,
  }),
  max_age_secs: option({
    type: integer(1, 30 * DAY_SECS),
    default: DAY_SECS,
    about: 'How long an event is tried, whatever the receiver does; then it is a dead letter.',
    live: true,
  }),
});

/** `event_handlers` of a database: `admin.md` §11, and what this product adds. */
export const EVENT_HANDLERS = group('Who is told of changes: docs/events.md.', {
  mode: option({
    type: oneOf('durable', 'best_effort'),
    default: 'durable',
    about:
      '`durable`: every change is told at least once, over restarts and failures. `best_effort`: ' +
      'as in Sync Gateway: one attempt, dropped when too many wait.',
    live: true,
  }),
  max_processes: option({
    type: integer(1, 10_000),
    default: 500,
    about: 'The most requests of a database at once; its handlers have equal shares.',
    live: true,
  }),
  wait_for_process: option({
    type: millisecondsText(),
    default: '100',
    about: 'With `best_effort`: how long an event waits for its turn before it is dropped, in ms.',
    live: true,
  }),
  document_changed: tableList('Told of each changed document.', {
    countMax: HANDLERS_MAX,
    each: webhook,
  }),
  db_state_changed: tableList('Told when the database is online or offline.', {
    countMax: HANDLERS_MAX,
    each: webhook,
  }),
});

export type WebhookConfig = Values<(typeof webhook)['options']>;
export type EventHandlersConfig = Values<(typeof EVENT_HANDLERS)['options']>;

const SERVER_EVENT_NAMES = ['db_online', 'db_offline', 'feed_lost', 'config_changed'] as const;
export type ServerEventName = (typeof SERVER_EVENT_NAMES)[number];

const serverWebhook = group('One webhook.', {
  url,
  events: option({
    type: listOf(oneOf(...SERVER_EVENT_NAMES)),
    default: [...SERVER_EVENT_NAMES],
    about: 'The events that are sent there.',
  }),
  timeout,
  secret,
});

/** `events` of the start-up configuration. */
export const SERVER_EVENTS = group('Who is told what happens to the databases: docs/events.md.', {
  webhooks: tableList('For load balancers and monitoring: tried a few times, then given up.', {
    countMax: HANDLERS_MAX,
    each: serverWebhook,
  }),
});

export type ServerWebhookConfig = Values<(typeof serverWebhook)['options']>;

/** `outgoing` of the start-up configuration. */
export const OUTGOING_OPTIONS = group(
  'Requests that the gateway itself makes: webhooks, functions by URL. Never to link-local addresses.',
  {
    allowed_hosts: option({
      type: listOf(hostPattern()),
      default: [],
      about: 'Hosts that may be asked: `HOST`, or `*.DOMAIN` for all below it. Empty: every host.',
    }),
  },
);

function handlerId(): ValueType<string> {
  return {
    says: 'a name of 1 to 64 letters, digits, _ and -',
    schema: text(1, 64).schema.refine((value) => /^[-\w]+$/.test(value)),
  };
}

function hostPattern(): ValueType<string> {
  return {
    says: 'a host name or address, or *. and a domain',
    schema: text(1, 255).schema.refine((value) => /^(?:\*\.)?[-\w.:]+$/.test(value)),
  };
}

function millisecondsText(): ValueType<string> {
  return {
    says: 'a string with a whole number of milliseconds, such as "100"',
    schema: text(1, 7).schema.refine((value) => /^\d{1,7}$/.test(value)),
  };
}
