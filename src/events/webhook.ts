import { createHmac } from 'node:crypto';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { retryAfterMs } from './back-off.ts';

/** Where events are sent, and how. */
export interface WebhookTarget {
  readonly url: string;
  /** Key of the signature; undefined for none. */
  readonly secret: string | undefined;
  /** For one request. */
  readonly timeoutMs: number;
}

/** What a receiver is told. */
export interface OutgoingEvent {
  /** The same whenever the same is told again: what was received once may be passed over. */
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly body: string;
  /** Of a document: `db.scope.collection`, and the sequence of its change. */
  readonly keyspace?: string;
  readonly seq?: number;
}

/** What became of one request. */
export type Attempt =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly kind: Failure;
      /** For administrators; no secret is in it. */
      readonly reason: string;
      /** How long the receiver asks not to be asked again, ms, within bounds. */
      readonly waitMs: number | undefined;
    };

/** What a failure says of its cause. */
export type Failure =
  /** The receiver is there, and does not want this very event. */
  | 'event'
  /** It answers, and something is wrong: with the event, with it, or with how it is asked. */
  | 'receiver'
  /** It is not there, or too busy. */
  | 'down';

/** `timeout: 0` of a handler means no limit of its own. */
const TIMEOUT_SECS_MOST = 600;
const SAID_CHARS_MAX = 200;
/** Answers that say nothing of the event: the same request may be accepted later. */
const BUSY: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);
/** Answers that say that the gateway asks wrongly, be it of what it will. */
const WRONGLY_ASKED: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

export function timeoutMsOf(timeoutSecs: number): number {
  return (timeoutSecs === 0 ? TIMEOUT_SECS_MOST : timeoutSecs) * 1000;
}

/** Sends events, each with one request. */
export class Webhooks {
  readonly #outgoing: OutgoingRequests;
  readonly #clock: Clock;
  readonly #userAgent: string;

  constructor(options: {
    readonly outgoing: OutgoingRequests;
    readonly clock: Clock;
    readonly userAgent: string;
  }) {
    this.#outgoing = options.outgoing;
    this.#clock = options.clock;
    this.#userAgent = options.userAgent;
  }

  /** Accepted is what is answered with a status from 200 to 299. Never throws. */
  async send(
    { url, secret, timeoutMs }: WebhookTarget,
    event: OutgoingEvent,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { body } = event;
    const headers = { 'User-Agent': this.#userAgent, ...this.#headers(event, secret) };
    try {
      const answer = await this.#outgoing.send(
        { method: 'POST', url, headers, body, timeoutMs },
        signal,
      );
      const { code, text } = answer;
      if (Math.floor(code / 100) === 2) return { ok: true };
      const said = text.trim().slice(0, SAID_CHARS_MAX);
      return {
        ok: false,
        kind: failureOf(code),
        reason: `the receiver answered ${code}${said === '' ? '' : `: ${said}`}`,
        waitMs: retryAfterMs(answer.headers['retry-after'], this.#clock.now()),
      };
    } catch (cause) {
      if (!(cause instanceof GatewayError)) throw cause;
      const kind = cause.tag === 'forbidden' ? 'receiver' : 'down';
      return { ok: false, kind, reason: cause.message, waitMs: undefined };
    }
  }

  #headers(event: OutgoingEvent, secret: string | undefined): Record<string, string> {
    const { id, name, body, keyspace, seq } = event;
    const headers: Record<string, string> = {
      'Content-Type': 'application/json',
      'X-Tidegate-Event': name,
      'X-Tidegate-Delivery': id,
      'X-Tidegate-Timestamp': String(Math.floor(this.#clock.now() / 1000)),
    };
    // NOTE: a name may have characters that a header cannot; the body tells the rest.
    if (keyspace !== undefined) headers['X-Tidegate-Keyspace'] = encodeURI(keyspace);
    if (seq !== undefined) headers['X-Tidegate-Sequence'] = String(seq);
    if (secret !== undefined) headers['X-Tidegate-Signature'] = signatureOf(body, secret);
    return headers;
  }
}

function failureOf(code: number): Failure {
  if (BUSY.has(code)) return 'down';
  return Math.floor(code / 100) === 4 && !WRONGLY_ASKED.has(code) ? 'event' : 'receiver';
}

/** By which a receiver that knows the secret sees that the body is the gateway's. */
function signatureOf(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}
