import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Clock } from './clock.ts';
import { GatewayError } from './errors.ts';
import { hostOf, isForbiddenAddress } from './forbidden-address.ts';

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST';
  /** http or https; credentials in it go as Basic authentication. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole request: name, connection, redirects, answer. */
  readonly timeoutMs: number;
  /** Of the answer no more than this is read; `ANSWER_BYTES_MAX` where none is given. */
  readonly answerBytesMax?: number;
  /** An answer whose head is there may take so long to end; 2 s where none is given. */
  readonly bodyMsMax?: number;
}

export interface OutgoingAnswer {
  /** HTTP's number of it. */
  readonly code: number;
  readonly headers: http.IncomingHttpHeaders;
  /** At most `answerBytesMax` of it. */
  readonly text: string;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

export interface OutgoingOptions {
  readonly clock: Clock;
  /** `HOST` or `*.DOMAIN`; empty: every host. */
  readonly allowedHosts: readonly string[];
  /** The most connections that are kept open to one receiver while nothing is sent. */
  readonly idleMax?: number;
  /** From a name to its addresses: the system's, where none is given. */
  readonly lookup?: typeof systemLookup;
}

/** Of an answer no more is read; then its connection is closed. */
export const ANSWER_BYTES_MAX = 64 * 1024;
/** An answer whose head is there may take so long to end. */
const BODY_MS_MAX = 2000;
const REDIRECTS_MAX = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);
const IDLE_MAX = 64;

/**
 * Requests that the gateway makes to URLs of its administrators: to no forbidden address, whatever
 * a name resolves to, to no host that is not allowed, and by redirects to no other host than the
 * one that was named. Connections are kept open for the next request.
 */
export class OutgoingRequests implements Disposable {
  readonly #options: OutgoingOptions;
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent };

  constructor(options: OutgoingOptions) {
    this.#options = options;
    const keep = { keepAlive: true, maxFreeSockets: options.idleMax ?? IDLE_MAX };
    this.#agents = { http: new http.Agent(keep), https: new https.Agent(keep) };
  }

  /**
   * Throws `forbidden` for an address or host that may not be asked, `unavailable` for everything
   * else that keeps the receiver from answering in time, and where `signal` aborts.
   */
  async send(request: OutgoingRequest, signal: AbortSignal): Promise<OutgoingAnswer> {
    const { timeoutMs } = request;
    const stop = new AbortController();
    const done = new AbortController();
    const giveUp = (): void => stop.abort(unavailable('the request was given up'));
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    void this.#options.clock.sleep(timeoutMs, done.signal).then(() => {
      if (!done.signal.aborted) stop.abort(unavailable(`no answer within ${timeoutMs} ms`));
    });
    try {
      return await this.#follow(request, stop.signal);
    } finally {
      done.abort();
      signal.removeEventListener('abort', giveUp);
    }
  }

  [Symbol.dispose](): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #follow(request: OutgoingRequest, signal: AbortSignal): Promise<OutgoingAnswer> {
    let url = new URL(request.url);
    for (let redirects = 0; ; redirects += 1) {
      this.#checkHost(url);
      const answer = await this.#once(request, url, signal);
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.code) || location === undefined) return answer;
      if (redirects === REDIRECTS_MAX)
        throw unavailable(`more than ${REDIRECTS_MAX} redirects, the last one to ${url.host}`);
      url = redirected(url, location);
    }
  }

  async #once(request: OutgoingRequest, url: URL, signal: AbortSignal): Promise<OutgoingAnswer> {
    try {
      return await this.#exchange(request, url, signal);
    } catch (cause) {
      if (!(cause instanceof StaleConnection)) throw cause;
      // A connection that was kept open was closed by the receiver at that moment: nothing was read
      // of the request, or nothing came back. Once more, on another one.
      return await this.#exchange(request, url, signal, { fresh: true });
    }
  }

  #exchange(
    request: OutgoingRequest,
    url: URL,
    signal: AbortSignal,
    { fresh = false } = {},
  ): Promise<OutgoingAnswer> {
    const { method, headers = {}, body } = request;
    const isTls = url.protocol === 'https:';
    const options: https.RequestOptions = {
      method,
      signal,
      agent: fresh ? false : isTls ? this.#agents.https : this.#agents.http,
      lookup: checkedLookup(this.#options.lookup ?? systemLookup),
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
      },
    };
    return new Promise((resolve, reject) => {
      const outgoing = (isTls ? https : http).request(url, options, (answer) => {
        // What fails after the head is there ends the text, not the request.
        readAnswer(answer, this.#options.clock, request).then(resolve, reject);
      });
      outgoing.on('error', (cause: NodeJS.ErrnoException) => {
        const stale = outgoing.reusedSocket && !signal.aborted && cause.code === 'ECONNRESET';
        reject(stale ? new StaleConnection() : failure(cause, signal));
      });
      outgoing.end(body);
    });
  }

  #checkHost(url: URL): void {
    const host = hostOf(url);
    // NOTE: a name is looked at when it is resolved: what it means now is no promise.
    if (isForbiddenAddress(host)) throw forbidden(host);
    const { allowedHosts } = this.#options;
    if (allowedHosts.length === 0 || allowedHosts.some((pattern) => matches(pattern, host))) return;
    throw new GatewayError('forbidden', `the host ${host} is not in outgoing.allowed_hosts`);
  }
}

class StaleConnection extends Error {}

/** Reads to the end or to a limit; what is left over closes the connection. */
async function readAnswer(
  answer: http.IncomingMessage,
  clock: Clock,
  { answerBytesMax = ANSWER_BYTES_MAX, bodyMsMax = BODY_MS_MAX }: OutgoingRequest,
): Promise<OutgoingAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isWhole = false;
  const done = new AbortController();
  void clock.sleep(bodyMsMax, done.signal).then(() => done.signal.aborted || answer.destroy());
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) break;
      chunks.push(chunk);
    }
    isWhole = bytes <= answerBytesMax && answer.complete;
  } catch {
    // NOTE: the head is the answer; of the text there is what came.
  } finally {
    done.abort();
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { code: answer.statusCode ?? 0, headers: answer.headers, text, isWhole };
}

/** The same host, over the same port or by TLS instead of without. Throws `forbidden`. */
function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  const isUpgrade =
    to !== null &&
    from.protocol === 'http:' &&
    to.protocol === 'https:' &&
    to.hostname === from.hostname &&
    from.port === '' &&
    to.port === '';
  if (to === null || !(isUpgrade || to.origin === from.origin)) {
    const where = to === null ? 'no URL' : to.host;
    throw new GatewayError('forbidden', `a redirect from ${from.host} to ${where} is not followed`);
  }
  to.username = from.username;
  to.password = from.password;
  return to;
}

/** A lookup that fails where one of the addresses may not be asked. */
function checkedLookup(lookup: typeof systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (cause, addresses: LookupAddress[]) => {
      if (cause !== null) return callback(cause, '', 0);
      const wrong = addresses.find(({ address }) => isForbiddenAddress(address));
      if (wrong !== undefined) return callback(forbidden(wrong.address), '', 0);
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };
}

function matches(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted;
}

function failure(cause: NodeJS.ErrnoException, signal: AbortSignal): GatewayError {
  if (signal.aborted && signal.reason instanceof GatewayError) return signal.reason;
  if (cause instanceof GatewayError) return cause;
  return unavailable(cause.message === '' ? (cause.code ?? 'no connection') : cause.message, cause);
}

const unavailable = (reason: string, cause?: unknown): GatewayError =>
  new GatewayError('unavailable', reason, { cause });

const forbidden = (address: string): GatewayError =>
  new GatewayError('forbidden', `the address ${address} may not be asked: it is link-local`);
