import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Database, OpenRequest } from '../database/database.ts';
import type { Observer } from '../observability/events.ts';
import type { BodyWatch, Holding } from './body-watch.ts';
import { ReaderGone } from './drained.ts';
import type { Upgrade } from './web-sockets.ts';

/** Of each connection what was read from it for earlier requests. */
const countedBytes = new WeakMap<Socket, number>();

/** One request with its answer, while it lasts. */
export class Exchange implements OpenRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly startedMs: number;
  /** Whether a 401 asks for credentials (`send_www_authenticate_header`). */
  challenge = true;
  /** Of the database that the request names, where there is one: for its figures. */
  observer: Observer | undefined;
  /** Who sends it, once that is known; `` for the guest. */
  user: string | undefined;
  /** Where the request asks for a WebSocket. */
  readonly upgrade: Upgrade | undefined;
  readonly #bytesWrittenBefore: number;
  #headers: Record<string, string> | undefined;
  #gone: AbortController | undefined;
  #feed: AbortController | undefined;
  #stopping = false;
  #cutOff = false;
  #database: Database | undefined;
  #slot = 0;
  #held: Holding | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly startedMs: number; readonly upgrade?: Upgrade | undefined },
  ) {
    this.request = request;
    this.response = response;
    this.startedMs = options.startedMs;
    this.upgrade = options.upgrade;
    this.#bytesWrittenBefore = request.socket.bytesWritten;
  }

  /** The database waits for it before it ends. Throws `unavailable` while it is not online. */
  enter(database: Database): void {
    this.#slot = database.enter(this);
    this.#database = database;
  }

  /** For the memory that its body takes, until it is finished. */
  hold(watch: BodyWatch): Holding {
    this.#held ??= watch.holding();
    return this.#held;
  }

  /** It is answered, or given up. */
  finished(): void {
    this.#held?.[Symbol.dispose]();
    this.#database?.leave(this.#slot, this);
  }

  /** Goes with whatever the answer will be, an error too. */
  setHeader(name: string, value: string): void {
    this.#headers ??= {};
    this.#headers[name] = value;
  }

  get headers(): Readonly<Record<string, string>> | undefined {
    return this.#headers;
  }

  /**
   * What went over the connection for this request, its head and all; asked once, at its end: what
   * was read by then counts for no other.
   */
  takeTraffic(): { readonly bytesRead: number; readonly bytesWritten: number } {
    const { socket } = this.request;
    const bytesRead = socket.bytesRead - (countedBytes.get(socket) ?? 0);
    countedBytes.set(socket, socket.bytesRead);
    return { bytesRead, bytesWritten: socket.bytesWritten - this.#bytesWrittenBefore };
  }

  /**
   * Aborts when the client goes away before it has its answer, or the drain of the server is over.
   */
  get signal(): AbortSignal {
    this.#gone ??= this.#watchClient();
    return this.#gone.signal;
  }

  /** As `signal`, and aborts as soon as the server begins to stop: a feed has no end of its own. */
  get feedSignal(): AbortSignal {
    if (this.#feed === undefined) {
      this.#feed = new AbortController();
      if (this.#stopping || this.signal.aborted) this.#feed.abort();
    }
    return this.#feed.signal;
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  get isCutOff(): boolean {
    return this.#cutOff;
  }

  /** The server stops: feeds end, other requests go on. */
  stopFeed(): void {
    this.#stopping = true;
    this.#feed?.abort();
  }

  /** The server, or the database, has waited long enough. */
  cutOff(): void {
    this.#cutOff = true;
    this.#abort();
    this.request.socket.destroy();
  }

  #watchClient(): AbortController {
    const gone = new AbortController();
    if (this.response.destroyed || this.#cutOff) gone.abort(new ReaderGone());
    else
      this.response.once('close', () => {
        if (!this.response.writableFinished) this.#abort();
      });
    return gone;
  }

  #abort(): void {
    this.#gone?.abort(new ReaderGone());
    this.#feed?.abort();
  }
}
