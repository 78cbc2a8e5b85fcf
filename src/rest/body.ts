import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import type { Awaitable } from '../util/awaitable.ts';
import { GatewayError } from '../util/errors.ts';
import type { BodyWatch, Holding } from './body-watch.ts';
import { giveBack } from './give-back.ts';
import type { Content, ContentSchema } from './content.ts';
import { jsonContent } from './content.ts';
import { explain } from './query.ts';

/** How a route wants the body of its requests. */
export interface BodyReader<B> {
  /** NOTE: a promise only where something is read. */
  read(incoming: Incoming): Awaitable<B>;
  /** For the description of the API; nothing where no body is read. */
  readonly content?: Content;
  /** Whether it may be empty. */
  readonly isOptional?: boolean;
}

export interface Incoming {
  readonly request: IncomingMessage;
  readonly watch: BodyWatch;
  /** Counts what is kept of the body in memory, until the request is answered. */
  readonly held: Holding;
  /** The longest body of one document, bytes, after decompression. */
  readonly documentBytesMax: number;
  /** The longest list of documents, of ids, of revisions. */
  readonly listBytesMax: number;
}

/** The longest body of any other kind. */
const SMALL_BYTES_MAX = 4 * 1024 * 1024;
const SMALL_TEXT = { bytesMax: SMALL_BYTES_MAX, isOptional: true };
/** The most values in JSON that is parsed as a whole: a value takes many times its text. */
const VALUES_MAX = 250_000;
/** About what one takes beside its text. */
const VALUE_BYTES = 64;

/** Whatever comes is not read. */
export const noBody: BodyReader<undefined> = { read: () => undefined };

/** The text of one document, unparsed: so it keeps the spelling of its numbers. */
export const documentSource: BodyReader<string> = {
  read: (incoming) => readJsonText(incoming, incoming.documentBytesMax),
  content: jsonContent(z.looseObject({})),
};

/** The text of a list of documents, unparsed. */
export const listSource: BodyReader<string> = {
  read: (incoming) => readJsonText(incoming, incoming.listBytesMax),
  content: jsonContent(
    z.object({ docs: z.array(z.looseObject({})), new_edits: z.boolean().optional() }),
  ),
};

function readJsonText(incoming: Incoming, bytesMax: number): Promise<string> {
  requireMediaType(incoming.request, JSON_TYPES);
  return readText(incoming, { bytesMax, isOptional: false });
}

/** A small JSON body, checked by a schema; `described`: what to say where the schema says less. */
export function jsonBody<T>(
  schema: z.ZodType<T>,
  described: Exclude<ContentSchema, null> = schema,
): BodyReader<T> {
  return {
    content: jsonContent(described),
    read: async (incoming) => {
      const text = await readJsonText(incoming, incoming.listBytesMax);
      incoming.held.add(countValues(text) * VALUE_BYTES);
      return parseJson(text, schema);
    },
  };
}

/** As `jsonBody`; undefined where the body is empty. */
export function optionalJsonBody<T>(schema: z.ZodType<T>): BodyReader<T | undefined> {
  return {
    content: jsonContent(schema),
    isOptional: true,
    read: async (incoming) => {
      requireMediaType(incoming.request, JSON_TYPES);
      const text = await readText(incoming, SMALL_TEXT);
      return text.trim() === '' ? undefined : parseJson(text, schema);
    },
  };
}

/** A text of one of these media types, or of none. */
export function textBody(mediaTypes: readonly string[]): BodyReader<string> {
  return {
    content: Object.fromEntries(mediaTypes.map((type) => [type, null])),
    isOptional: true,
    read: async (incoming) => {
      requireMediaType(incoming.request, mediaTypes);
      return readText(incoming, SMALL_TEXT);
    },
  };
}

/**
 * The bytes as they come, decompressed, with no limit of their own: whoever stores them counts.
 * Fails as the other readers do. NOTE: a chunk is gone when the next one is asked for.
 */
export const byteStream: BodyReader<AsyncIterable<Uint8Array>> = {
  read: ({ request, watch }) =>
    streamBody(request, watch, isGzip(request.headers['content-encoding'])),
  content: { '*/*': null },
  isOptional: true,
};

/** Throws `badRequest` for what is no JSON, or not what the schema wants. */
export function parseJson<T>(text: string, schema: z.ZodType<T>): T {
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

/**
 * How many values there are at most: characters that begin or follow one, within strings too.
 * Throws `tooLarge`.
 */
function countValues(text: string): number {
  let count = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== COMMA && code !== OPEN_BRACKET && code !== OPEN_BRACE) continue;
    if (++count > VALUES_MAX)
      throw new GatewayError('tooLarge', `the body has more than ${VALUES_MAX} values`);
  }
  return count;
}

const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;

const JSON_TYPES = ['application/json'];
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
export function isGzip(contentEncoding: string | undefined): boolean {
  const coding = contentEncoding?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return false;
  if (coding === 'gzip') return true;
  throw new GatewayError('unsupportedMediaType', 'the Content-Encoding of a body is gzip or none');
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

async function readText(
  incoming: Incoming,
  { bytesMax, isOptional }: { readonly bytesMax: number; readonly isOptional: boolean },
): Promise<string> {
  const { request, held } = incoming;
  const gzip = isGzip(request.headers['content-encoding']);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const bytes = await gather(incoming, bytesMax);
  const text = decode(gzip ? await inflate(bytes, { bytesMax, held }) : bytes);
  if (isOptional || text.trim() !== '') return text;
  throw new GatewayError('badRequest', 'the body is empty; JSON is needed');
}

interface TextOptions {
  readonly gzip: boolean;
  readonly bytesMax: number;
  readonly held: Holding;
}

/** Throws `badRequest` for what is not gzip or not UTF-8, `tooLarge`, and as `Holding.add`. */
export async function textOf(bytes: Buffer, options: TextOptions): Promise<string> {
  return decode(options.gzip ? await inflate(bytes, options) : bytes);
}

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new GatewayError('badRequest', 'the body is not UTF-8', { cause });
  }
}

/** Chunk by chunk: a small body may unpack to a very large one. */
async function inflate(
  bytes: Buffer,
  { bytesMax, held }: Omit<TextOptions, 'gzip'>,
): Promise<Buffer> {
  const unpacked = createGunzip({ chunkSize: UNPACKED_CHUNK_BYTES });
  unpacked.end(bytes);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > bytesMax) throw tooLarge(bytesMax);
      held.add(chunk.length);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : broken(cause);
  }
  return concat(chunks);
}

const UNPACKED_CHUNK_BYTES = 64 * 1024;

export const tooLarge = (lengthMax: number): GatewayError =>
  new GatewayError('tooLarge', `the body is longer than ${lengthMax} bytes`);

const broken = (cause?: unknown): GatewayError =>
  new GatewayError('badRequest', 'the body is cut off, or not encoded as its headers say', {
    cause,
  });

/** By events rather than by iteration: this is on the way of every write. */
function gather({ request, watch, held }: Incoming, lengthMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (error: unknown): void => {
      guard[Symbol.dispose]();
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] ?? EMPTY) : concat(chunks));
      else reject(error instanceof Error ? error : broken(error));
    };
    const onData = (chunk: Buffer): void => {
      try {
        held.add(chunk.length);
      } catch (error) {
        return finish(error);
      }
      length += chunk.length;
      chunks.push(chunk);
      if (length > lengthMax) finish(tooLarge(lengthMax));
    };
    const onEnd = (): void => finish(undefined);
    const onClose = (): void => finish(broken());
    const guard = watch.guard(request, finish, { streamed: false });
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
  using guard = watch.guard(request, slow.reject, { streamed: true });
  const source: Readable = gzip ? gunzipped(request) : request;
  const chunks = source.iterator({ destroyOnReturn: source !== request });
  try {
    for (;;) {
      const step = await Promise.race([nextOf(chunks), slow.promise]);
      if (step.done === true) return;
      guard.pause();
      yield step.value;
      giveBack(step.value);
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
