import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import type { FeedLine } from './feed-lines.ts';

export interface SocketFeedOptions {
  /** Sent as the first message; undefined: nothing is sent. */
  readonly options?: unknown;
  /** `name:password`. */
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** The longest that a test waits for a message, ms. */
const MESSAGE_WITHIN_MS = 20_000;

/** A feed over a WebSocket: its messages one by one, and how it was closed. */
export class SocketFeed implements AsyncDisposable {
  readonly closed: Promise<Closed>;
  readonly #socket: WebSocket;
  readonly #messages: (string | Buffer)[] = [];
  #arrived = Promise.withResolvers<void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#arrived.resolve();
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('error', () => undefined); // told by `closed`, or by `refusal`
    socket.on('message', (data: RawData, isBinary) => {
      const bytes = data as Buffer;
      this.#messages.push(isBinary ? bytes : bytes.toString());
      this.#arrived.resolve();
    });
  }

  /** `url` is that of a keyspace's `_changes`, over http. Throws where it is not opened. */
  static async open(url: string, options: SocketFeedOptions = {}): Promise<SocketFeed> {
    const feed = new SocketFeed(connect(url, options));
    await once(feed.#socket, 'open');
    if (options.options !== undefined) feed.say(options.options);
    return feed;
  }

  say(options: unknown): void {
    this.#socket.send(typeof options === 'string' ? options : JSON.stringify(options));
  }

  /** The next message as it came; undefined where the feed has ended. */
  async message(): Promise<string | Buffer | undefined> {
    const late = AbortSignal.timeout(MESSAGE_WITHIN_MS);
    while (this.#messages.length === 0) {
      if (this.#socket.readyState === WebSocket.CLOSED) return undefined;
      await Promise.race([this.#arrived.promise, rejected(late)]);
      this.#arrived = Promise.withResolvers();
    }
    return this.#messages.shift();
  }

  /** The next rows, heartbeats passed over; undefined where the feed has ended. */
  async rows(): Promise<readonly FeedLine[] | undefined> {
    for (;;) {
      const message = await this.message();
      if (message === undefined) return undefined;
      if (typeof message !== 'string') throw new Error('a compressed feed is read by unzipped()');
      if (message !== '') return JSON.parse(message) as readonly FeedLine[];
    }
  }

  /** All rows up to the empty array that ends what was there. */
  async backlog(): Promise<readonly FeedLine[]> {
    const all: FeedLine[] = [];
    for (;;) {
      const rows = await this.rows();
      if (rows === undefined) throw new Error('the feed ended within its backlog');
      if (rows.length === 0) return all;
      all.push(...rows);
    }
  }

  /** For a compressed feed that ends: its whole text. */
  async unzipped(): Promise<string> {
    const zip = createGunzip();
    for (;;) {
      const message = await this.message();
      if (message === undefined) break;
      if (typeof message === 'string') throw new Error(`text in a compressed feed: ${message}`);
      zip.write(message);
    }
    zip.end();
    return text(zip);
  }

  /** Takes nothing more of what the server sends. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }
}

/** The status and body with which a handshake is refused. */
export async function refusal(
  url: string,
  options: SocketFeedOptions = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const socket = connect(url, options);
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  return { status: response.statusCode ?? 0, text: await text(response) };
}

function connect(url: string, { as, headers }: SocketFeedOptions): WebSocket {
  const to = new URL(url);
  to.protocol = 'ws:';
  to.searchParams.set('feed', 'websocket');
  const login = as === undefined ? {} : { authorization: `Basic ${btoa(as)}` };
  return new WebSocket(to, { headers: { ...login, ...headers } });
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}
