import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, gunzip } from 'node:zlib';
import type { z } from 'zod';
import { GatewayError } from '../util/errors.ts';
import type { BodyWatch } from './body-watch.ts';
import { explain } from './query.ts';

/** How a route wants the body of its requests. */
export interface BodyReader<B> {
  read(incoming: Incoming): Promise<B>;
}

export interface Incoming {
  readonly request: IncomingMessage;
  readonly watch: BodyWatch;
  /** The longest body of one document, bytes, after decompression. */
  readonly documentBytesMax: number;
  /** The longest list of documents, of ids, of revisions. */
  readonly listBytesMax: number;
}

/** The longest body of any other kind. */
const SMALL_BYTES_MAX = 4 * 1024 * 1024;

/** Whatever comes is not read. */
export const noBody: BodyReader<undefined> = { read: () => Promise.resolve(undefined) };

/** The text of one document, unparsed: so it keeps the spelling of its numbers. */
export const documentSource: BodyReader<string> = {
  read: (incoming) => readJsonText(incoming, incoming.documentBytesMax),
};

/** The text of a list of documents, unparsed. */
export const listSource: BodyReader<string> = {
  read: (incoming) => readJsonText(incoming, incoming.listBytesMax),
};

async function readJsonText(incoming: Incoming, bytesMax: number): Promise<string> {
  requireMediaType(incoming.request, ['application/json']);
  const text = await readText(incoming, bytesMax);
  if (text.trim() === '') throw new GatewayError('badRequest', 'the body is empty; JSON is needed');
  return text;
}

/** A small JSON body, checked by a schema. */
export function jsonBody<T>(schema: z.ZodType<T>): BodyReader<T> {
  return {
    read: async (incoming) =>
      parseJson(await readJsonText(incoming, incoming.listBytesMax), schema),
  };
}

/** As `jsonBody`; undefined where the body is empty. */
export function optionalJsonBody<T>(schema: z.ZodType<T>): BodyReader<T | undefined> {
  return {
    read: async (incoming) => {
      requireMediaType(incoming.request, ['application/json']);
      const text = await readText(incoming, SMALL_BYTES_MAX);
      return text.trim() === '' ? undefined : parseJson(text, schema);
    },
  };
}

/** A text of one of these media types, or of none. */
export function textBody(mediaTypes: readonly string[]): BodyReader<string> {
  return {
    read: async (incoming) => {
      requireMediaType(incoming.request, mediaTypes);
      return readText(incoming, SMALL_BYTES_MAX);
    },
  };
}

/**
 * The bytes as they come, decompressed, with no limit of their own: whoever stores them counts.
 * Fails as the other readers do.
 */
export const byteStream: BodyReader<AsyncIterable<Uint8Array>> = {
  read: ({ request, watch }) => Promise.resolve(streamBody(request, watch, isGzip(request))),
};

function parseJson<T>(text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('badRequest', `the body is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new GatewayError('badRequest', explain(parsed.error, 'the property'));
}

const MEDIA_TYPE = /^\s*([\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+)\s*(?:;.*)?$/;

/** A body without a Content-Type is taken for what is wanted, as by the reference. */
function requireMediaType({ headers }: IncomingMessage, wanted: readonly string[]): void {
  const header = headers['content-type'];
  if (header === undefined || header === wanted[0]) return;
  const mediaType = MEDIA_TYPE.exec(header)?.[1]?.toLowerCase();
  if (mediaType === undefined)
    throw new GatewayError('badRequest', 'the Content-Type is not a media type');
  if (!wanted.includes(mediaType))
    throw new GatewayError(
      'unsupportedMediaType',
      `the Content-Type must be ${wanted.join(' or ')}`,
    );
}

/** Throws `unsupportedMediaType` for an encoding that is neither gzip nor none. */
function isGzip({ headers }: IncomingMessage): boolean {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return false;
  if (coding === 'gzip') return true;
  throw new GatewayError('unsupportedMediaType', 'the Content-Encoding of a body is gzip or none');
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const decompress = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

async function readText({ request, watch }: Incoming, bytesMax: number): Promise<string> {
  const gzip = isGzip(request);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  let bytes = await gather(request, watch, bytesMax);
  if (gzip) bytes = await inflate(bytes, bytesMax);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new GatewayError('badRequest', 'the body is not UTF-8', { cause });
  }
}

async function inflate(bytes: Buffer, lengthMax: number): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: lengthMax });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(lengthMax);
    throw broken(cause);
  }
}

const tooLarge = (lengthMax: number): GatewayError =>
  new GatewayError('tooLarge', `the body is longer than ${lengthMax} bytes`);

const broken = (cause?: unknown): GatewayError =>
  new GatewayError('badRequest', 'the body is cut off, or not encoded as its headers say', {
    cause,
  });

/** By events rather than by iteration: this is on the way of every write. */
function gather(request: IncomingMessage, watch: BodyWatch, lengthMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (error: unknown): void => {
      guard[Symbol.dispose]();
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      watch.release(length);
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] ?? EMPTY) : concat(chunks));
      else reject(error instanceof Error ? error : broken(error));
    };
    const onData = (chunk: Buffer): void => {
      try {
        watch.hold(chunk.length);
      } catch (error) {
        return finish(error);
      }
      length += chunk.length;
      chunks.push(chunk);
      if (length > lengthMax) finish(tooLarge(lengthMax));
    };
    const onEnd = (): void => finish(undefined);
    const onClose = (): void => finish(broken());
    const guard = watch.guard(request, finish);
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

const EMPTY = Buffer.alloc(0);
const concat = (chunks: readonly Buffer[]): Buffer => Buffer.concat(chunks);

async function* streamBody(
  request: IncomingMessage,
  watch: BodyWatch,
  gzip: boolean,
): AsyncGenerator<Uint8Array> {
  const slow = Promise.withResolvers<never>();
  slow.promise.catch(() => undefined); // told by the race below, if anybody still asks
  using guard = watch.guard(request, slow.reject);
  const source: Readable = gzip ? gunzipped(request) : request;
  const chunks = source.iterator({ destroyOnReturn: source !== request });
  try {
    for (;;) {
      const step = await Promise.race([nextOf(chunks), slow.promise]);
      if (step.done === true) return;
      guard.pause();
      yield step.value;
      guard.resume();
    }
  } finally {
    // NOTE: not awaited: behind a read that is still waiting it would wait too.
    chunks.return?.().catch(() => undefined);
  }
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (cause) {
    throw broken(cause);
  }
}

function gunzipped(request: IncomingMessage): Readable {
  const source = createGunzip();
  request.once('error', (error) => source.destroy(error));
  return request.pipe(source);
}
