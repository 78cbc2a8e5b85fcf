import type { Digest } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';
import type { StoredAttachment } from '../bucket.ts';
import { CHUNK_BYTES } from './attachment-reader.ts';
import type { Store } from './store.ts';

export interface UploadOptions {
  readonly lengthMax: number;
  readonly signal?: AbortSignal;
}

/** As `Bucket.putAttachment`: one chunk in memory; more is asked for when it is written. */
export async function putAttachment(
  store: Store,
  bytes: AsyncIterable<Uint8Array>,
  options: UploadOptions,
): Promise<StoredAttachment> {
  const upload = store.beginUpload();
  const chunk = store.chunkBuffers.take();
  try {
    let first = true;
    let filled = 0;
    for await (const piece of limited(bytes, options)) {
      for (let at = 0; at < piece.byteLength;) {
        if (filled === CHUNK_BYTES) {
          await store.writer.addChunk(upload, chunk, { nowSecs: store.nowSecs(), first });
          first = false;
          filled = 0;
        }
        const part = piece.subarray(at, at + CHUNK_BYTES - filled);
        chunk.set(part, filled);
        filled += part.byteLength;
        at += part.byteLength;
      }
    }
    const last = chunk.subarray(0, filled);
    return await store.writer.finishUpload(upload, last, { nowSecs: store.nowSecs(), first });
  } catch (cause) {
    await discard(store, upload);
    throw cause;
  } finally {
    store.chunkBuffers.give(chunk);
    store.endUpload();
  }
}

async function discard(store: Store, upload: number): Promise<void> {
  try {
    await store.writer.discardUpload(upload);
  } catch (cause) {
    store.log.info?.('an upload was left behind, to be collected', { cause });
  }
}

/** Fails as soon as the bytes are too many, or the signal aborts. */
async function* limited(
  bytes: AsyncIterable<Uint8Array>,
  { lengthMax, signal }: UploadOptions,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const piece of abortable(bytes, signal)) {
    length += piece.byteLength;
    if (length > lengthMax) {
      throw new GatewayError('tooLarge', `the attachment is longer than ${lengthMax} bytes`);
    }
    yield piece;
  }
}

/** Ends with the signal's reason as soon as it aborts, whatever the source is waiting for. */
async function* abortable(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (signal === undefined) {
    yield* bytes;
    return;
  }
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  // Nobody may be waiting when it rejects.
  aborted.promise.catch(() => undefined);
  signal.addEventListener('abort', onAbort);
  const source = bytes[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([source.next(), aborted.promise]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a source that hangs would hang its end too.
    source.return?.().catch(() => undefined);
  }
}

/** As `Bucket.getAttachment`. */
export async function getAttachment(
  store: Store,
  digest: Digest,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<{ readonly length: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined> {
  const found = await store.reader.read((reader) => reader.attachments.find(digest));
  if (found === undefined) return undefined;
  const start = Math.max(0, range?.start ?? 0);
  const end = Math.min(found.length, range?.end ?? found.length);
  return { length: found.length, bytes: bytesOf(store, found.id, { start, end }) };
}

async function* bytesOf(
  store: Store,
  id: number,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end;) {
    const number = Math.floor(at / CHUNK_BYTES);
    const base = number * CHUNK_BYTES;
    const chunk = await store.reader.read((reader) => reader.attachments.chunk(id, number));
    const part = chunk.subarray(at - base, end - base);
    if (part.byteLength === 0) {
      throw new GatewayError('corrupt', 'an attachment is shorter than its length says');
    }
    // Before it is the reader's, who may give its memory away.
    at += part.byteLength;
    yield part;
  }
}
