import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { OpenRequest } from '../database/database.ts';
import { GatewayError } from '../util/errors.ts';
import { ReaderGone, untilDrained } from './drained.ts';
import type { Ticker, Ticking } from './ticker.ts';

/** How long a client may take to say what it wants, ms. */
const FIRST_MESSAGE_MS_MAX = 30_000;
/** So often is looked whether an idle client is still there, ms: TCP's own probes. */
const KEEP_ALIVE_MS = 60_000;

export interface LiveSocketOptions {
  readonly ws: WebSocket;
  /** The connection under it. */
  readonly tcp: Socket;
  /** Is told when it is closed. */
  readonly owner: { ended(socket: LiveSocket): void };
}

/** Told of the end of a socket: an object, because a closure for each would cost more. */
export interface EndListener {
  handleEvent(): void;
}

/** The socket of one client after its handshake, as a feed uses it. */
export class LiveSocket implements OpenRequest {
  readonly #ws: WebSocket;
  readonly #tcp: Socket;
  readonly #bytesReadBefore: number;
  readonly #bytesWrittenBefore: number;
  #listener: EndListener | undefined;
  #stopping = false;

  constructor({ ws, tcp, owner }: LiveSocketOptions) {
    this.#ws = ws;
    this.#tcp = tcp;
    this.#bytesReadBefore = tcp.bytesRead;
    this.#bytesWrittenBefore = tcp.bytesWritten;
    tcp.setKeepAlive(true, KEEP_ALIVE_MS);
    ws.on('error', ignore);
    ws.on('close', () => {
      owner.ended(this);
      this.#listener?.handleEvent();
    });
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  get isGone(): boolean {
    return this.#ws.readyState === this.#ws.CLOSED;
  }

  /** What went over the connection since the handshake. */
  get traffic(): { readonly bytesRead: number; readonly bytesWritten: number } {
    return {
      bytesRead: this.#tcp.bytesRead - this.#bytesReadBefore,
      bytesWritten: this.#tcp.bytesWritten - this.#bytesWrittenBefore,
    };
  }

  /**
   * `listener` is told when the client is gone or the server stops; at once where that is so. There
   * is one: another takes its place.
   */
  onEnd(listener: EndListener): void {
    this.#listener = listener;
    if (this.isGone || this.#stopping) listener.handleEvent();
  }

  /**
   * The first message, as text, whether it came as text or as binary; those after it are not read.
   * Throws `tooSlow` where none comes, `badRequest` where it is not UTF-8, and ReaderGone.
   */
  async firstMessage(ticker: Ticker): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<RawData>();
    const startedMs = ticker.now();
    const late: Ticking = {
      tick: (nowMs) => {
        if (nowMs - startedMs > FIRST_MESSAGE_MS_MAX)
          reject(new GatewayError('tooSlow', 'the options of the feed did not come'));
      },
    };
    this.onEnd({ handleEvent: () => reject(new ReaderGone()) });
    const slot = ticker.add(late);
    this.#ws.once('message', resolve);
    try {
      return decoded(await promise);
    } finally {
      ticker.remove(slot, late);
      this.#ws.off('message', resolve);
    }
  }

  /**
   * Resolves when the client has room for more: what `bufferedAmount` tells is bounded by one
   * message. Rejects where it is gone, or takes nothing for long, or `signal` aborts.
   */
  async send(
    content: string | Buffer,
    { binary, signal }: { readonly binary: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    if (this.#ws.readyState !== this.#ws.OPEN) throw new ReaderGone();
    this.#ws.send(content, { binary });
    if (this.#tcp.writableNeedDrain) await untilDrained(this.#tcp, signal);
  }

  /** An empty message, to show that the feed lives; nothing where the client has no room for it. */
  beat({ binary }: { readonly binary: boolean }): void {
    if (this.#ws.readyState !== this.#ws.OPEN || this.#tcp.writableNeedDrain) return;
    this.#ws.send(EMPTY, { binary });
  }

  /** Says good-bye; a client that does not answer is cut off after a while. */
  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  stop(): void {
    this.#stopping = true;
    this.#listener?.handleEvent();
  }

  /** It was given long enough. */
  cutOff(): void {
    this.#ws.terminate();
  }
}

const EMPTY = Buffer.alloc(0);

/** What is wrong with what a client sends closes its socket: nothing is left to do. */
const ignore = (): void => undefined;

function decoded(data: RawData): string {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new GatewayError('badRequest', 'the options of the feed are not UTF-8', { cause });
  }
}
