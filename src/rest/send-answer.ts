import type { OutgoingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { GatewayError } from '../util/errors.ts';
import { acceptsGzip } from './accept.ts';
import type { Answer, AnswerBody, Sink } from './answer.ts';
import { ReaderGone, untilDrained } from './drained.ts';
import type { Exchange } from './exchange.ts';
import { giveBack } from './give-back.ts';
import { HttpChunk } from './http-chunk.ts';
import { prettyJson } from './pretty-json.ts';

export interface SendOptions {
  /** The value of the `Server` header. */
  readonly product: string;
  /** Whether JSON is indented. */
  readonly pretty: boolean;
  /** Whether answers may be compressed at all. */
  readonly compress: boolean;
}

/**
 * Brings an answer on the wire, at the reader's pace. Rejects where the answer broke off: before
 * the first byte (`response.headersSent` is false: an error can still be told) or after it.
 * Undefined where all of it was handed over at once.
 */
export function sendAnswer(
  exchange: Exchange,
  answer: Answer,
  options: SendOptions,
): Promise<void> | undefined {
  return new Sending(exchange, answer, options).send(answer.body);
}

/** Shorter answers fit into one packet as they are. */
const COMPRESS_BYTES_MIN = 1400;
/** The level at which zlib spends least for most of the gain. */
const LEVEL = 3;
const ZIP_BUFFER_BYTES = 64 * 1024;
const NO_CONTENT = 204;
const compressed = promisify<Buffer, { level: number }, Buffer>(gzip);

type Body<Kind> = Extract<AnswerBody, { kind: Kind }>;

/** One answer on its way. */
class Sending {
  readonly #exchange: Exchange;
  readonly #answer: Answer;
  readonly #options: SendOptions;
  /** Whether the head of a feed is on the wire: from then on chunks may follow it directly. */
  #isFeedOpen = false;

  constructor(exchange: Exchange, answer: Answer, options: SendOptions) {
    this.#exchange = exchange;
    this.#answer = answer;
    this.#options = options;
  }

  send(body: AnswerBody): Promise<void> | undefined {
    switch (body.kind) {
      case 'none':
        this.#end(undefined);
        return undefined;
      case 'text':
        return this.#sendText(body);
      case 'chunks':
        return this.#sendChunks(body);
      case 'feed':
        return this.#sendFeed(body);
      case 'socket':
        this.#becomeSocket(body);
        return undefined;
    }
  }

  get #isHead(): boolean {
    return this.#exchange.request.method === 'HEAD';
  }

  #wantsGzip(): boolean {
    const { headers } = this.#exchange.request;
    return this.#options.compress && !this.#isHead && acceptsGzip(headers['accept-encoding']);
  }

  #writeHead(particulars: { readonly gzip?: boolean; readonly length?: number | undefined }): void {
    const { status, headers: own, body } = this.#answer;
    const headers: OutgoingHttpHeaders = { Server: this.#options.product };
    const early = this.#exchange.headers;
    for (const name in early) headers[name] = early[name];
    if (this.#exchange.isStopping) headers['Connection'] = 'close';
    if ('contentType' in body) headers['Content-Type'] = body.contentType;
    if (particulars.length !== undefined) headers['Content-Length'] = particulars.length;
    for (const name in own) headers[name] = own[name] as string | string[];
    if (particulars.gzip === true) {
      headers['Content-Encoding'] = 'gzip';
      const { Vary: vary } = headers;
      headers['Vary'] = vary === undefined ? 'Accept-Encoding' : `${String(vary)}, Accept-Encoding`;
    }
    this.#exchange.response.writeHead(status, headers);
  }

  #end(content: string | Buffer | undefined, gzipped = false): void {
    const { response } = this.#exchange;
    const bytes = content === undefined ? 0 : Buffer.byteLength(content);
    const length = this.#answer.status === NO_CONTENT ? undefined : bytes;
    this.#writeHead({ gzip: gzipped, length });
    if (content === undefined || this.#isHead) response.end();
    else response.end(content);
  }

  #sendText({ contentType, text }: Body<'text'>): Promise<void> | undefined {
    const isJson = contentType === 'application/json';
    const content = isJson && this.#options.pretty ? prettyJson(text) : text;
    if (isJson && content.length >= COMPRESS_BYTES_MIN && this.#wantsGzip())
      return this.#sendCompressed(content);
    this.#end(content);
    return undefined;
  }

  async #sendCompressed(content: string): Promise<void> {
    this.#end(await compressed(Buffer.from(content), { level: LEVEL }), true);
  }

  async #sendChunks(body: Body<'chunks'>): Promise<void> {
    const { response, signal } = this.#exchange;
    const iterator = body.chunks[Symbol.asyncIterator]();
    try {
      // The first chunk before the head: what fails at once can then still be told as an error.
      const first = await iterator.next();
      const zip = body.compress && this.#wantsGzip();
      this.#writeHead({ gzip: zip, length: zip ? undefined : body.length });
      if (this.#isHead) return void response.end();
      const chunks = startingWith(first, iterator);
      if (zip) {
        const source = Readable.from(chunks, {
          objectMode: false,
          highWaterMark: ZIP_BUFFER_BYTES,
        });
        return await pipeline(source, createGzip({ level: LEVEL }), response, { signal });
      }
      const isOwner = body.isOwner ?? false;
      for await (const chunk of chunks) {
        const whenSent = isOwner && typeof chunk !== 'string' ? () => giveBack(chunk) : undefined;
        if (!response.write(chunk, whenSent)) await untilDrained(response, signal);
      }
      response.end();
    } finally {
      await iterator.return?.();
    }
  }

  async #sendFeed({ run }: Body<'feed'>): Promise<void> {
    if (this.#isHead) return this.#end(undefined);
    const { response, feedSignal } = this.#exchange;
    await run({
      signal: feedSignal,
      open: () => this.#openFeed(),
      write: (content) => this.#writeFeed(content),
      beat: () => this.#beat(),
    } satisfies Sink);
    if (!response.headersSent) this.#writeHead({});
    response.end();
  }

  #becomeSocket({ run }: Body<'socket'>): void {
    const { request, response, upgrade } = this.#exchange;
    if (upgrade === undefined)
      throw new GatewayError('badRequest', 'this feed is opened by a WebSocket handshake');
    upgrade.sockets.accept(request, upgrade, run);
    response.statusCode = this.#answer.status;
    response.detachSocket(request.socket);
  }

  #openFeed(): void {
    const { response } = this.#exchange;
    if (response.headersSent || response.destroyed) return;
    this.#writeHead({});
    response.flushHeaders();
    this.#isFeedOpen = true;
  }

  #writeFeed(content: string | HttpChunk): Promise<void> | undefined {
    const { response, signal } = this.#exchange;
    if (response.destroyed) throw new ReaderGone();
    const { socket } = response;
    if (content instanceof HttpChunk && socket !== null && this.#takesChunks())
      return socket.write(content.framed) ? undefined : untilDrained(socket, signal);
    if (!response.headersSent) this.#writeHead({});
    this.#isFeedOpen = true;
    const bytes = content instanceof HttpChunk ? content.bytes : content;
    return response.write(bytes) ? undefined : untilDrained(response, signal);
  }

  /** Not HTTP/1.0, nor an answer that waits behind an earlier one of the same connection. */
  #takesChunks(): boolean {
    return this.#isFeedOpen && this.#exchange.response.chunkedEncoding;
  }

  #beat(): void {
    const { response } = this.#exchange;
    this.#openFeed();
    const isFull = response.writableNeedDrain || response.socket?.writableNeedDrain === true;
    if (!response.destroyed && !isFull) response.write('\n');
  }
}

async function* startingWith<T>(
  first: IteratorResult<T, unknown>,
  rest: AsyncIterator<T, unknown>,
): AsyncGenerator<T> {
  for (let step = first; step.done !== true; step = await rest.next()) yield step.value;
}
