import type { ServerResponse } from 'node:http';
import { accessRefused, publicRequestServed, requestFailed } from '../observability/events.ts';
import type { Log } from '../observability/log.ts';
import type { UserData } from '../observability/user-data.ts';
import { userData } from '../observability/user-data.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { isGatewayError } from '../util/errors.ts';
import type { Answer } from './answer.ts';
import { auditedPath, REQUEST_EVENTS } from './audited-answer.ts';
import { json } from './answer.ts';
import type { BodyWatch } from './body-watch.ts';
import { ReaderGone } from './drained.ts';
import { tellError } from './error-map.ts';
import type { ToldError } from './error-map.ts';
import type { Exchange } from './exchange.ts';
import { REALM, productOf } from './product.ts';
import type { RestServices } from './rest-services.ts';
import type { Port } from './route.ts';
import { sendAnswer } from './send-answer.ts';

/** What a request's answer depends on beside its handler. */
export interface AnswerOptions {
  /** As the query says; undefined: as configured. */
  readonly pretty?: boolean | undefined;
  /** For errors; `Allow` of a 405. */
  readonly headers?: Answer['headers'];
}

/**
 * Runs the work of a request and brings its answer, or its error, on the wire; one of each port.
 */
export class Responder {
  readonly #port: Port;
  readonly #services: RestServices;
  readonly #watch: BodyWatch;
  readonly #log: Log;
  readonly #failures: Parameters<typeof requestFailed>[0];
  readonly #product: string;

  constructor(
    port: Port,
    { services, watch, log }: { services: RestServices; watch: BodyWatch; log: Log },
  ) {
    this.#port = port;
    this.#services = services;
    this.#watch = watch;
    this.#log = log;
    this.#failures = { log, metrics: services.metrics };
    const { version, settings } = services;
    this.#product = productOf(version, settings.hideProductVersion).full;
  }

  /** Never rejects: whatever goes wrong is told to the client, or to the log where it is gone. */
  async run(
    exchange: Exchange,
    work: (exchange: Exchange) => Awaitable<Answer>,
    options: AnswerOptions,
  ): Promise<void> {
    let failure: unknown;
    try {
      const sending = this.#send(exchange, await work(exchange), options);
      if (sending !== undefined) await sending;
    } catch (cause) {
      failure = cause;
      await this.#fail(exchange, cause, options);
    }
    this.#watch.discard(exchange.request);
    this.#tell(exchange, failure);
  }

  #send(exchange: Exchange, answer: Answer, { pretty }: AnswerOptions): Promise<void> | undefined {
    const { settings } = this.#services;
    return sendAnswer(exchange, answer, {
      product: this.#product,
      pretty: pretty ?? settings.pretty,
      compress: settings.compressResponses,
    });
  }

  async #fail(exchange: Exchange, cause: unknown, options: AnswerOptions): Promise<void> {
    const { response } = exchange;
    const error = tellError(cause);
    const gone = exchange.isCutOff || isFarewell(cause, response);
    if (error.internal && !gone) requestFailed(this.#failures, { ...at(exchange), error: cause });
    this.#countRefusal(exchange, cause);
    if (response.destroyed) return;
    // Half an answer must not look like a whole one.
    if (gone || response.headersSent) return cut(response);
    try {
      await this.#send(exchange, this.#errorAnswer(exchange, cause, error, options), options);
    } catch (second) {
      this.#log.error('error not told', { ...at(exchange), error: second });
      cut(response);
    }
  }

  #errorAnswer(
    exchange: Exchange,
    cause: unknown,
    error: ToldError,
    options: AnswerOptions,
  ): Answer {
    const headers: Record<string, string | readonly string[]> = { ...options.headers };
    if (isGatewayError(cause, 'unauthorized') && this.#port === 'public' && exchange.challenge)
      headers['WWW-Authenticate'] = `Basic realm="${REALM}"`;
    if (isGatewayError(cause, 'tooSlow')) headers['Connection'] = 'close';
    if (isGatewayError(cause, 'rangeNotSatisfiable'))
      headers['Content-Range'] = `bytes */${String(cause.details['length'])}`;
    return json(error.status, { error: error.word, reason: error.reason }, headers);
  }

  /** A write is refused by a sync function, which tells so itself. */
  #countRefusal({ request, observer, user }: Exchange, cause: unknown): void {
    if (!isGatewayError(cause, 'forbidden') || observer === undefined || user === undefined) return;
    if (request.method === 'GET' || request.method === 'HEAD')
      accessRefused(observer, { user, what: request.url ?? '' });
  }

  /** The figures and the log line of a request that is over. */
  #tell(exchange: Exchange, failure: unknown): void {
    const { metrics, audit } = this.#services;
    const { bytesRead, bytesWritten } = exchange.takeTraffic();
    if (this.#port === 'public') {
      metrics.countGateway('pub_net_bytes_recv', bytesRead);
      metrics.countGateway('pub_net_bytes_sent', bytesWritten);
      if (exchange.observer !== undefined)
        publicRequestServed(exchange.observer, { bytesRead, bytesWritten });
    } else if (this.#port === 'admin') {
      metrics.countGateway('admin_net_bytes_recv', bytesRead);
      metrics.countGateway('admin_net_bytes_sent', bytesWritten);
    }
    const { request, response } = exchange;
    audit?.tell(REQUEST_EVENTS[this.#port], {
      http_method: request.method,
      http_path: auditedPath(request.url ?? ''),
      http_status: response.statusCode,
    });
    this.#log.info?.('request', {
      ...at(exchange),
      status: response.statusCode,
      ms: this.#services.clock.now() - exchange.startedMs,
      port: this.#port,
      ...(failure === undefined ? {} : { reason: (failure as Error).message }),
    });
  }
}

const cut = (response: ServerResponse): void => void response.destroy();

/** Whether it is no failure of ours: the reader went away, which the streams tell in many ways. */
function isFarewell(cause: unknown, response: ServerResponse): boolean {
  if (cause instanceof ReaderGone) return true;
  if (!response.destroyed || !(cause instanceof Error)) return false;
  const { code = '' } = cause as NodeJS.ErrnoException;
  return cause.name === 'AbortError' || FAREWELLS.has(code);
}

const FAREWELLS: ReadonlySet<string> = new Set([
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ECONNRESET',
  'EPIPE',
]);

function at({ request }: Exchange): { readonly method: string; readonly url: UserData } {
  return { method: request.method ?? '', url: userData(request.url ?? '') };
}
