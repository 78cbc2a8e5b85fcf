import { GatewayError } from '../util/errors.ts';
import type { PartHeaders } from './part-headers.ts';
import { parsePartHeaders } from './part-headers.ts';

export interface IncomingPart {
  readonly headers: PartHeaders;
  /**
   * As it comes, at the consumer's pace; what is not read is passed over by the next `part`. A
   * chunk is gone when the next one is asked for.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The headers of one part, bytes. */
const HEAD_BYTES_MAX = 16 * 1024;
/** What may stand before the first boundary, bytes. */
const PREAMBLE_BYTES_MAX = 4096;
/** White space behind a boundary, and its line break, bytes. */
const PADDING_BYTES_MAX = 256;
const LINE_BREAK = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);
const DASH = 0x2d;
const CARRIAGE_RETURN = 0x0d;

/**
 * Reads a multipart body (RFC 2046 §5.1) while it arrives: in memory are the chunk that came last
 * and what could be the beginning of a boundary. Fails with `badRequest` where the body has not
 * that form, and as its source does. What follows the last boundary is not read.
 */
export class MultipartReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** Stands between parts: the line break before it belongs to it, not to the part. */
  readonly #delimiter: Buffer;
  // The first boundary may stand at the very beginning, where no line break is before it.
  #held: Buffer = LINE_BREAK;
  #state: 'preamble' | 'body' | 'delimiter' | 'ended' = 'preamble';
  #part = 0;

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** The next part; undefined after the last one. */
  async part(): Promise<IncomingPart | undefined> {
    if (this.#state === 'preamble') await this.#skip(PREAMBLE_BYTES_MAX);
    if (this.#state === 'body') await this.#skip(Number.POSITIVE_INFINITY);
    if (this.#state === 'ended' || (await this.#isLast())) return undefined;
    const headers = await this.#headers();
    this.#state = (await this.#isEmpty()) ? 'delimiter' : 'body';
    this.#part += 1;
    return { headers, body: this.#body(this.#part) };
  }

  /** Ends the source too: nobody wants more of it. */
  close(): void {
    this.#state = 'ended';
    // NOTE: not awaited: behind a read that is still waiting it would wait too.
    this.#source.return?.().catch(() => undefined);
  }

  async #skip(bytesMax: number): Promise<void> {
    let bytes = 0;
    for await (const chunk of this.#upToDelimiter()) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw malformed('the first boundary does not come');
    }
  }

  /** Where the consumer has gone on to another part, there is nothing left of this one. */
  async *#body(part: number): AsyncGenerator<Uint8Array> {
    if (this.#state !== 'body' || part !== this.#part) return;
    yield* this.#upToDelimiter();
  }

  async *#upToDelimiter(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const found = this.#held.indexOf(this.#delimiter);
      const end = found < 0 ? this.#dataEnd() : found;
      if (end > 0) {
        const chunk = this.#held.subarray(0, end);
        this.#held = this.#held.subarray(end);
        yield chunk;
      }
      if (found >= 0) return this.#passDelimiter(this.#delimiter.length);
      // Nothing is left, or a beginning of the delimiter, of which the next chunk tells the rest.
      const start = Buffer.from(this.#held);
      const rest = this.#delimiter.subarray(start.length);
      const chunk = await this.#next();
      if (chunk.length < rest.length) this.#held = Buffer.concat([start, chunk]);
      else {
        this.#held = chunk;
        if (start.length === 0) continue;
        if (chunk.subarray(0, rest.length).equals(rest)) return this.#passDelimiter(rest.length);
        // No other delimiter begins in it: only its first character is a line break.
        yield start;
      }
    }
  }

  #passDelimiter(length: number): void {
    this.#held = this.#held.subarray(length);
    this.#state = 'delimiter';
  }

  /** Where a beginning of the delimiter stands at the end of what is held; else that end. */
  #dataEnd(): number {
    const { length } = this.#held;
    let at = this.#held.indexOf(CARRIAGE_RETURN, Math.max(0, length - this.#delimiter.length + 1));
    while (at >= 0) {
      if (this.#delimiter.subarray(0, length - at).equals(this.#held.subarray(at))) return at;
      at = this.#held.indexOf(CARRIAGE_RETURN, at + 1);
    }
    return length;
  }

  /** Reads the rest of a boundary's line: whether the boundary is the last one. */
  async #isLast(): Promise<boolean> {
    while (this.#held.length < 2) await this.#more();
    if (this.#held[0] === DASH && this.#held[1] === DASH) {
      this.close();
      return true;
    }
    const padding = await this.#upTo(LINE_BREAK, PADDING_BYTES_MAX);
    if (!/^[ \t]*$/.test(padding.toString('latin1')))
      throw malformed('something follows a boundary in its line');
    return false;
  }

  async #headers(): Promise<PartHeaders> {
    while (this.#held.length < 2) await this.#more();
    if (this.#held.subarray(0, 2).equals(LINE_BREAK)) {
      this.#held = this.#held.subarray(2);
      return parsePartHeaders(NOTHING);
    }
    return parsePartHeaders(await this.#upTo(HEAD_END, HEAD_BYTES_MAX));
  }

  /**
   * Whether a boundary comes at once: the line break before it is then the one that ended the
   * headers.
   */
  async #isEmpty(): Promise<boolean> {
    const line = this.#delimiter.subarray(LINE_BREAK.length);
    while (this.#held.length < line.length) await this.#more();
    if (!this.#held.subarray(0, line.length).equals(line)) return false;
    this.#held = this.#held.subarray(line.length);
    return true;
  }

  /** What stands before `end`, which is passed over. */
  async #upTo(end: Buffer, bytesMax: number): Promise<Buffer> {
    for (;;) {
      const found = this.#held.indexOf(end);
      if (found > bytesMax || (found < 0 && this.#held.length > bytesMax + end.length))
        throw malformed('the headers of a part are too long');
      if (found >= 0) {
        const before = this.#held.subarray(0, found);
        this.#held = this.#held.subarray(found + end.length);
        return before;
      }
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    // What is left of a chunk is copied before the next one is asked for.
    const left = Buffer.from(this.#held);
    this.#held = Buffer.concat([left, await this.#next()]);
  }

  /** The next chunk, which ends the one before it. */
  async #next(): Promise<Buffer> {
    const step = await this.#source.next();
    if (step.done === true) throw malformed('it ends without its last boundary');
    const { buffer, byteOffset, byteLength } = step.value;
    return Buffer.from(buffer, byteOffset, byteLength);
  }
}

const malformed = (why: string): GatewayError =>
  new GatewayError('badRequest', `malformed multipart body: ${why}`);
