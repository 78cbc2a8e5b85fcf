import type { Digest } from '../../document/types.ts';
import { GatewayError } from '../../util/errors.ts';
import type { StoredAttachment } from '../bucket.ts';
import { CHUNK_BYTES } from './attachment-reader.ts';
import type { Store } from './store.ts';

export interface UploadOptions {
  readonly lengthMax: number;
  readonly signal?: AbortSignal;
}

/** As `Bucket.putAttachment`: two chunks in memory; more is asked for when one is written. */
export async function putAttachment(
  store: Store,
  bytes: AsyncIterable<Uint8Array>,
  options: UploadOptions,
): Promise<StoredAttachment> {
  const upload = store.beginUpload();
  try {
    let first = true;
    let held: Uint8Array | undefined;
    for await (const chunk of chunksOf(bytes, options)) {
      if (held !== undefined) {
        await store.writer.addChunk(upload, held, { nowSecs: store.nowSecs(), first });
        first = false;
      }
      held = chunk;
    }
    const last = held ?? new Uint8Array(0);
    return await store.writer.finishUpload(upload, last, { nowSecs: store.nowSecs(), first });
  } catch (cause) {
    await discard(store, upload);
    throw cause;
  } finally {
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

/** The bytes anew in chunks of CHUNK_BYTES; the last one may be shorter. */
async function* chunksOf(
  bytes: AsyncIterable<Uint8Array>,
  { lengthMax, signal }: UploadOptions,
): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let length = 0;
  for await (const piece of abortable(bytes, signal)) {
    length += piece.byteLength;
    if (length > lengthMax) {
      throw new GatewayError('tooLarge', `the attachment is longer than ${lengthMax} bytes`);
    }
    for (let at = 0; at < piece.byteLength;) {
      const part = piece.subarray(at, at + CHUNK_BYTES - filled);
      chunk.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      chunk = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.slice(0, filled);
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
    yield part;
    at += part.byteLength;
  }
}
