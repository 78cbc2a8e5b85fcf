import { CHUNK_BYTES } from './attachment-reader.ts';

/** Buffers that are kept for the next upload. */
const IDLE_MAX = 8;

/**
 * Memory that the threads share, for the chunks of uploads, used again and again: an upload copies
 * nothing between threads and leaves nothing behind for the garbage collectors, which would let
 * hundreds of megabytes gather first.
 */
export class ChunkBuffers {
  readonly #idle: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#idle.pop() ?? new Uint8Array(new SharedArrayBuffer(CHUNK_BYTES));
  }

  /** Nobody may use it any more. */
  give(buffer: Uint8Array): void {
    if (this.#idle.length < IDLE_MAX) this.#idle.push(buffer);
  }
}
