import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { requestFailed } from '../observability/events.ts';
import type { Log } from '../observability/log.ts';
import { userData } from '../observability/user-data.ts';
import { GatewayError } from '../util/errors.ts';
import { closingOf, CLOSE } from './close-codes.ts';
import { LiveSocket } from './live-socket.ts';
import type { RestServices } from './rest-services.ts';
import type { Port } from './route.ts';

/** What a client may send in one message: options, and nothing after them. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** What a close may take until the other side confirms it, ms. */
const CLOSE_MS_MAX = 3_000;

/** Of `ws`. NOTE: its types do not know `closeTimeout` yet. */
const OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MESSAGE_BYTES_MAX,
  closeTimeout: CLOSE_MS_MAX,
};

export type SocketWork = (socket: LiveSocket) => Promise<void>;

/** A request that asks for a WebSocket: what of the connection is not in the request. */
export interface Upgrade {
  readonly sockets: WebSockets;
  /** What came after the head of the request. */
  readonly head: Buffer;
}

/** Whether a request asks for a WebSocket. Everything else is answered as any request. */
export function isUpgrade({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * The WebSockets of one port. A socket lives on when its request is answered (101), and holds
 * nothing of it: ten thousand of them wait for changes.
 */
export class WebSockets {
  readonly #server = new WebSocketServer(OPTIONS);
  readonly #live = new Set<LiveSocket>();
  readonly #port: Port;
  readonly #services: RestServices;
  readonly #log: Log;
  #stopping = false;

  constructor(port: Port, { services, log }: { services: RestServices; log: Log }) {
    this.#port = port;
    this.#services = services;
    this.#log = log;
  }

  get size(): number {
    return this.#live.size;
  }

  /**
   * Completes the handshake, and runs `work` over the socket until it ends, however it does. Throws
   * `badRequest` where the request is no handshake.
   */
  accept(request: IncomingMessage, { head }: Upgrade, work: SocketWork): void {
    requireHandshake(request);
    const { socket } = request;
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      this.#run(this.#follow(ws, socket), work);
    });
  }

  /** No feed has an end of its own: all end now. */
  stop(): void {
    this.#stopping = true;
    for (const socket of this.#live) socket.stop();
  }

  /** Who has not confirmed the end by now is cut off. */
  cutOff(): void {
    for (const socket of this.#live) socket.cutOff();
  }

  /** One of them is closed. */
  ended(socket: LiveSocket): void {
    this.#live.delete(socket);
    const { metrics } = this.#services;
    const { bytesRead, bytesWritten } = socket.traffic;
    const at = this.#port === 'public' ? 'pub' : 'admin';
    metrics.countGateway(`${at}_net_bytes_recv`, bytesRead);
    metrics.countGateway(`${at}_net_bytes_sent`, bytesWritten);
    this.#log.debug?.('socket closed', { port: this.#port, bytesRead, bytesWritten });
  }

  #follow(ws: WebSocket, tcp: Socket): LiveSocket {
    const live = new LiveSocket({ ws, tcp, owner: this });
    this.#live.add(live);
    if (this.#stopping) live.stop();
    return live;
  }

  /** NOTE: no async function, whose frame would be a part of what each waiting socket costs. */
  #run(socket: LiveSocket, work: SocketWork): void {
    work(socket).then(
      () => socket.close(socket.isStopping ? CLOSE.goingAway : CLOSE.normal, ''),
      (cause: unknown) => this.#fail(socket, cause),
    );
  }

  #fail(socket: LiveSocket, cause: unknown): void {
    if (socket.isGone) return;
    if (socket.isStopping) return socket.close(CLOSE.goingAway, 'the gateway is stopping');
    const { code, reason, internal } = closingOf(cause);
    if (internal) this.#tellFailure(cause);
    else this.#log.info?.('feed refused', { reason: userData(reason), port: this.#port });
    socket.close(code, reason);
  }

  #tellFailure(cause: unknown): void {
    const { metrics } = this.#services;
    requestFailed(
      { log: this.#log, metrics },
      { method: 'GET', url: userData('a WebSocket'), error: cause },
    );
  }
}

function requireHandshake({ headers }: IncomingMessage): void {
  const key = headers['sec-websocket-key'];
  if (key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key))
    throw new GatewayError('badRequest', 'the Sec-WebSocket-Key is missing or none');
  if (headers['sec-websocket-version'] !== '13')
    throw new GatewayError('badRequest', 'the Sec-WebSocket-Version here is 13');
}
