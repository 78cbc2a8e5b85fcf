import type { HttpChunk } from './http-chunk.ts';
import type { SocketWork } from './web-sockets.ts';

/** What a handler answers; `send-answer.ts` brings it on the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: AnswerBody;
}

export type AnswerBody =
  | { readonly kind: 'none' }
  /** Known as a whole; JSON may be compressed and indented. */
  | { readonly kind: 'text'; readonly contentType: string; readonly text: string }
  /** Made while it is sent, at the reader's pace. */
  | {
      readonly kind: 'chunks';
      readonly contentType: string;
      readonly chunks: Chunks;
      /**
       * Whether a reader that accepts gzip gets it; never for what must arrive as it is written.
       */
      readonly compress: boolean;
      /** Whether chunks of bytes are nobody else's: their memory is given back once sent. */
      readonly isOwner?: boolean;
      /** The bytes of all chunks, where known. */
      readonly length?: number;
    }
  /** Written by `run` in its own rhythm, until it resolves. */
  | {
      readonly kind: 'feed';
      readonly contentType: string;
      readonly run: (sink: Sink) => Promise<void>;
    }
  /** The connection becomes a WebSocket, which `run` has until it resolves or rejects. */
  | { readonly kind: 'socket'; readonly run: SocketWork };

export type Chunks = AsyncIterable<string | Uint8Array>;

/** The sending end of a feed. */
export interface Sink {
  /** Aborts when the reader is gone or the server stops. */
  readonly signal: AbortSignal;
  /** Sends the head of the answer, if it is not sent: the reader knows then that it is let in. */
  open(): void;
  /**
   * Undefined where the reader has room for more, else resolves when it has; throws or rejects
   * where it is gone. The head of the answer goes out with the first write.
   */
  write(content: string | HttpChunk): Promise<void> | undefined;
  /** An empty line, to show that the feed lives; nothing where the reader has no room for it. */
  beat(): void;
}

type Headers = Answer['headers'];
const NO_HEADERS: Headers = {};
const JSON_TYPE = 'application/json';

/** A JSON value. */
export function json(status: number, value: unknown, headers: Headers = NO_HEADERS): Answer {
  return jsonText(status, JSON.stringify(value), headers);
}

/** JSON that is text already: documents keep the spelling of their numbers. */
export function jsonText(status: number, text: string, headers: Headers = NO_HEADERS): Answer {
  return { status, headers, body: { kind: 'text', contentType: JSON_TYPE, text } };
}

export function text(status: number, contentType: string, body: string): Answer {
  return { status, headers: NO_HEADERS, body: { kind: 'text', contentType, text: body } };
}

/** No body. */
export function empty(status: number, headers: Headers = NO_HEADERS): Answer {
  return { status, headers, body: { kind: 'none' } };
}

/** JSON that is made while it is sent. */
export function jsonChunks(status: number, chunks: Chunks): Answer {
  const body = { kind: 'chunks', contentType: JSON_TYPE, chunks, compress: true } as const;
  return { status, headers: NO_HEADERS, body };
}
