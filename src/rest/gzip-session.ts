import { constants, createGzip } from 'node:zlib';
import type { Gzip } from 'node:zlib';

/** The most sessions at once. */
const SESSIONS_MAX = 2000;

/** The gzip streams of a process, which take memory: their number has a limit. */
export class GzipSessions {
  #open = 0;

  /** Undefined where there are too many. */
  open(): GzipSession | undefined {
    if (this.#open >= SESSIONS_MAX) return undefined;
    this.#open += 1;
    return new GzipSession(() => {
      this.#open -= 1;
    });
  }
}

/**
 * One gzip stream over many messages: each is complete when it is sent, and makes use of those
 * before it. A small window: rows are alike, and there may be many sessions (about 40 KB each).
 */
class GzipSession implements Disposable {
  readonly #zip: Gzip = createGzip({ windowBits: 12, memLevel: 5, chunkSize: 4096 });
  readonly #chunks: Buffer[] = [];

  readonly #onClosed: () => void;

  constructor(onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#zip.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** The bytes that carry the content; one call at a time. */
  async pack(content: string | Buffer): Promise<Buffer> {
    await new Promise<void>((resolve) => {
      this.#zip.write(content);
      this.#zip.flush(constants.Z_SYNC_FLUSH, resolve);
    });
    return this.#take();
  }

  /** The end of the stream. */
  async finish(): Promise<Buffer> {
    await new Promise<void>((resolve) => {
      this.#zip.once('end', resolve);
      this.#zip.end();
    });
    return this.#take();
  }

  [Symbol.dispose](): void {
    this.#zip.close();
    this.#onClosed();
  }

  #take(): Buffer {
    return Buffer.concat(this.#chunks.splice(0));
  }
}
