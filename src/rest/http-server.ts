import { ServerResponse } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify from 'fastify';
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify';
import type { Log } from '../observability/log.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { SlotList } from '../util/slot-list.ts';
import { empty } from './answer.ts';
import type { Answer } from './answer.ts';
import { BodyWatch } from './body-watch.ts';
import { applyCors } from './cors.ts';
import { INTERNAL_STATUS, refusalOf } from './error-map.ts';
import { Exchange } from './exchange.ts';
import { FreshConnections } from './fresh-connections.ts';
import { checkParameter, noSuchPath, parameterNames } from './path-parameters.ts';
import { firstOfEach } from './query.ts';
import type { RestServices } from './rest-services.ts';
import { redirectTo } from './redirect.ts';
import type { Port, Route } from './route.ts';
import { routeTable } from './route-table.ts';
import type { Shape } from './route-table.ts';
import { answerRequest, databaseOf } from './serve-request.ts';
import type { PortContext } from './serve-request.ts';
import { Responder } from './responder.ts';
import type { AnswerOptions } from './responder.ts';
import { isUpgrade, WebSockets } from './web-sockets.ts';

/** What connections may cost. Times in ms; 0 means no limit. */
export interface ConnectionLimits {
  readonly headersMs: number;
  readonly idleMs: number;
  readonly connectionsMax: number;
  readonly headBytesMax: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 5_000,
  idleMs: 90_000,
  connectionsMax: 0,
  headBytesMax: 64 * 1024,
};

export interface HttpServerOptions {
  readonly port: Port;
  readonly routes: readonly Route[];
  readonly address: { readonly host: string; readonly port: number };
  readonly limits: ConnectionLimits;
  readonly services: RestServices;
}

/** The interval at which node looks for requests that are late, ms. */
const LATE_CHECK_MS = 1_000;
const OPTIONS_STATUS = 204;
/** Longer than the longest document id, with every byte percent-encoded. */
const PARAMETER_LENGTH_MAX = 4096;

/** One port: a fastify instance whose routes come from a table. */
export class HttpServer {
  readonly #app: FastifyInstance;
  readonly #exchanges = new SlotList<Exchange>();
  readonly #sockets: WebSockets;
  readonly #fresh: FreshConnections;
  /** Heads of upgrades, until their requests are taken up. */
  readonly #heads = new WeakMap<IncomingMessage, Buffer>();
  readonly #context: PortContext;
  readonly #responder: Responder;
  readonly #clock: Clock;
  readonly #log: Log;
  #stopping: Promise<void> | undefined;

  private constructor(options: HttpServerOptions) {
    const { services, port, limits } = options;
    this.#log = services.log.with({ key: 'HTTP' });
    const watch = new BodyWatch(services.ticker, services.settings.bodyLimits);
    this.#context = { port, services, watch, log: this.#log };
    this.#responder = new Responder(port, { services, watch, log: this.#log });
    this.#clock = services.clock;
    this.#sockets = new WebSockets(port, { services, log: this.#log });
    this.#app = this.#fastify(limits);
    this.#fresh = new FreshConnections(this.#app.server);
    for (const shape of routeTable(options.routes).shapes) this.#register(shape);
  }

  /** Listens; rejects where the address is in use or not ours. */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const server = new HttpServer(options);
    await server.#app.listen({ ...options.address, listenTextResolver: () => '' });
    return server;
  }

  /** `http://HOST:PORT`, with the port that was taken where 0 was asked for. */
  get url(): string {
    const { address, port, family } = this.#app.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /**
   * Takes no new connections, ends feeds, and waits for the other requests until they are answered
   * or `drainMs` are over; then cuts them off.
   */
  stop(drainMs: number): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  async #stop(drainMs: number): Promise<void> {
    const closed = new AbortController();
    for (const exchange of this.#exchanges) exchange.stopFeed();
    this.#sockets.stop();
    this.#fresh.cutOff();
    const late = this.#clock.sleep(drainMs, closed.signal).then(() => {
      if (closed.signal.aborted) return;
      const requests = this.#exchanges.size;
      const sockets = this.#sockets.size;
      if (requests + sockets > 0) this.#log.warn('requests cut off', { requests, sockets });
      for (const exchange of this.#exchanges) exchange.cutOff();
      this.#sockets.cutOff();
      this.#app.server.closeAllConnections();
    });
    await this.#app.close();
    closed.abort();
    await late;
  }

  #fastify(limits: ConnectionLimits): FastifyInstance {
    const app = fastify({
      logger: false,
      exposeHeadRoutes: false,
      // Refused below, in the words of this API.
      return503OnClosing: false,
      // Bodies are watched over by `body-watch.ts`: a large one may take long, none may be slow.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleMs,
      http: {
        headersTimeout: limits.headersMs,
        connectionsCheckingInterval: LATE_CHECK_MS,
        maxHeaderSize: limits.headBytesMax,
        shouldUpgradeCallback: isUpgrade,
      },
      routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
      frameworkErrors: (error, request, reply) => this.#refuse(error, request, reply),
      clientErrorHandler: (error, socket) => this.#refuseConnection(error, socket),
    });
    app.server.on('upgrade', (request, socket, head) =>
      this.#takeUpgrade(request, socket as Socket, head),
    );
    if (limits.connectionsMax > 0) app.server.maxConnections = limits.connectionsMax;
    // Bodies are read by the routes (`body.ts`), after authentication.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    app.setErrorHandler<FastifyError>((error, request, reply) =>
      this.#refuse(error, request, reply),
    );
    app.setNotFoundHandler((request, reply) => this.#answer(request, reply, { work: noRoute }));
    return app;
  }

  /** Goes the way of every request: what it is answered may be an error, too. */
  #takeUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new ServerResponse(request);
    socket.on('error', destroySelf);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => {
      response.detachSocket(socket);
      socket.end();
    });
    this.#heads.set(request, head);
    this.#app.routing(request, response);
  }

  #register(shape: Shape): void {
    let n = 0;
    const url = shape.shape.replaceAll('{}', () => `:p${n++}`);
    const left = new Set(this.#app.supportedMethods);
    for (const route of shape.routes) {
      const names = parameterNames(route.path);
      const methods = route.method === 'GET' ? ['GET', 'HEAD'] : [route.method];
      for (const method of methods) left.delete(method);
      this.#app.route({ url, method: methods, ...takenOver(this.#serving(route, names)) });
    }
    this.#app.route({ url, method: [...left], ...takenOver(this.#withoutRoute(shape)) });
  }

  #serving(route: Route, names: readonly string[]): Serve {
    return (request, reply) => {
      const query = firstOfEach(request.query as Record<string, unknown>);
      const pretty = query['pretty'] === undefined ? undefined : query['pretty'] === 'true';
      const work: Work = (exchange) => {
        const params = readParameters(request, names);
        return answerRequest({ exchange, route, params, query }, this.#context);
      };
      this.#answer(request, reply, { work, pretty });
    };
  }

  /** What the server answers on a known path by itself: 301, OPTIONS, 405. */
  #withoutRoute(shape: Shape): Serve {
    const headers = { Allow: shape.allow };
    return (request, reply) => {
      const work: Work = (exchange) => {
        const params = readParameters(request, shape.names);
        this.#applyCors(exchange, params, shape);
        if (shape.redirect) return redirectTo(request.raw.url ?? '/');
        if (request.method === 'OPTIONS') return empty(OPTIONS_STATUS, headers);
        throw new GatewayError('methodNotAllowed', `the methods here are ${shape.allow}`);
      };
      this.#answer(request, reply, { work, headers });
    };
  }

  #applyCors(exchange: Exchange, params: Readonly<Record<string, string>>, shape: Shape): void {
    const { services, port } = this.#context;
    if (port !== 'public') return;
    const database = databaseOf(params, services);
    const preflight = exchange.request.method === 'OPTIONS' ? { allow: shape.allow } : {};
    applyCors(exchange, { services, database, path: shape.shape, ...preflight });
  }

  #answer(request: FastifyRequest, reply: FastifyReply, answering: Answering): void {
    reply.hijack();
    const head = this.#heads.get(request.raw);
    const exchange = new Exchange(request.raw, reply.raw, {
      startedMs: this.#clock.now(),
      upgrade: head && { sockets: this.#sockets, head },
    });
    const slot = this.#exchanges.add(exchange);
    const work = this.#stopping === undefined ? answering.work : refuseWhileStopping;
    const { audit } = this.#context.services;
    const running =
      audit === undefined
        ? this.#responder.run(exchange, work, answering)
        : audit.inRequest(request.raw.socket, () => this.#responder.run(exchange, work, answering));
    void running.then(() => this.#finished(exchange, slot));
  }

  #finished(exchange: Exchange, slot: number): void {
    this.#exchanges.remove(slot, exchange);
    exchange.finished();
    if (this.#stopping === undefined) return;
    const { response } = exchange;
    const close = (): void => this.#app.server.closeIdleConnections();
    if (response.writableFinished) close();
    else response.once('close', close);
  }

  /**
   * What fastify refuses by itself: a URL or Content-Type that is none, or anything while stopping.
   */
  #refuse(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const known = error.statusCode !== undefined && error.statusCode < INTERNAL_STATUS;
    const cause = known ? new GatewayError('badRequest', error.message, { cause: error }) : error;
    const work: Work = () => {
      throw cause;
    };
    this.#answer(request, reply, { work });
  }

  /** What node's parser refuses: there is no request, only a connection. */
  #refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    this.#log.debug?.('connection refused', { code: error.code });
    const [status, word] = refusalOf(error.code);
    const isHalf = error.code === 'HPE_INVALID_EOF_STATE';
    const reason = isHalf ? 'the request is cut off' : error.message;
    const body = JSON.stringify({ error: word, reason });
    socket.end(
      `HTTP/1.1 ${status} ${word}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
}

/** NOTE: no closure, which would keep the request as long as the socket lives. */
function destroySelf(this: Socket): void {
  this.destroy();
}

type Serve = (request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Routed by fastify, and ours from there on: what it would do with a body, which the routes read by
 * themselves, costs a tenth of a small request.
 */
function takenOver(serve: Serve): {
  readonly onRequest: onRequestHookHandler;
  readonly handler: () => never;
} {
  return {
    onRequest: (request, reply, _done) => serve(request, reply),
    handler: () => {
      throw new Error('bug: a request is taken over when it comes');
    },
  };
}

type Work = (exchange: Exchange) => Awaitable<Answer>;

interface Answering extends AnswerOptions {
  readonly work: Work;
}

const refuseWhileStopping: Work = () => {
  throw new GatewayError('unavailable', 'the gateway is stopping');
};

const noRoute: Work = () => {
  throw noSuchPath();
};

/** By position: routes that share a shape may name the same segment differently. */
function readParameters(
  request: FastifyRequest,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const values = request.params as Readonly<Record<string, string>>;
  const params: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const value = values[`p${index}`] ?? '';
    checkParameter(name, value);
    params[name] = value;
  }
  return params;
}
