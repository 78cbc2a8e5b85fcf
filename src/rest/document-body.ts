import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { StoredAttachment } from '../bucket/bucket.ts';
import type { Collection } from '../database/collection.ts';
import { parseDocument } from '../document/parsed-document.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import { GatewayError } from '../util/errors.ts';
import type { BodyReader, Incoming } from './body.ts';
import { byteStream, documentSource, isGzip, textOf, tooLarge } from './body.ts';
import { FollowingAttachments } from './following-attachments.ts';
import type { IncomingPart } from './multipart-reader.ts';
import { MultipartReader } from './multipart-reader.ts';
import { boundaryOf, fileNameOf } from './part-headers.ts';

/** A document as it comes: its text, alone or with attachments that follow it. */
type DocumentBody = string | DocumentWithAttachments;

interface DocumentWithAttachments {
  /**
   * Brings the bytes of attachments into the bucket while they arrive; until a revision names them
   * they count for nothing. Throws `badRequest` where they are not what the document announced, and
   * as `storeAttachment`.
   */
  receive(bucket: AttachmentStore, cancellation: Cancellation): Promise<ReceivedDocument>;
}

export interface ReceivedDocument {
  readonly text: string;
  /** By name. */
  readonly stored?: ReadonlyMap<string, StoredAttachment>;
}

export type AttachmentStore = Pick<Collection, 'storeAttachment' | 'keepAttachments'>;

/** JSON, or `multipart/related` (RFC 2387) with the document as JSON in its first part. */
export const documentBody: BodyReader<DocumentBody> = {
  read: (incoming) => {
    const contentType = incoming.request.headers['content-type'];
    if (contentType !== undefined && RELATED.test(contentType))
      return relatedBody(incoming, boundaryOf(contentType));
    return documentSource.read(incoming);
  },
  content: { ...documentSource.content, 'multipart/related': null },
};

/** The document, with whatever follows it in the bucket. Throws as `receive`. */
export function receiveDocument(
  body: DocumentBody,
  bucket: AttachmentStore,
  cancellation: Cancellation,
): Awaitable<ReceivedDocument> {
  return typeof body === 'string' ? { text: body } : body.receive(bucket, cancellation);
}

const RELATED = /^\s*multipart\/related\s*(?:;|$)/i;
const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

async function relatedBody(incoming: Incoming, boundary: string): Promise<DocumentWithAttachments> {
  const bytes = await byteStream.read(incoming);
  return {
    receive: async (bucket, { signal }) => {
      const reader = new MultipartReader(bytes, boundary);
      try {
        const text = await readDocument(await reader.part(), incoming);
        const following = new FollowingAttachments(parseDocument(text).attachments);
        for (let part = await reader.part(); part !== undefined; part = await reader.part()) {
          const fileName = fileNameOf(part.headers.get('content-disposition'));
          const content = contentOf(part, following.candidates(fileName));
          following.add(fileName, await bucket.storeAttachment(content, signal));
        }
        const stored = following.complete();
        await bucket.keepAttachments(Array.from(stored.values(), ({ digest }) => digest));
        return { text, stored };
      } finally {
        reader.close();
      }
    },
  };
}

/** The JSON text of the first part, which is held in memory. */
async function readDocument(
  part: IncomingPart | undefined,
  { held, documentBytesMax }: Incoming,
): Promise<string> {
  if (part === undefined) throw new GatewayError('badRequest', 'the multipart body has no part');
  const { headers, body } = part;
  if (!JSON_TYPE.test(headers.get('content-type') ?? 'application/json'))
    throw new GatewayError('badRequest', 'the first part must be the document, as JSON');
  requirePlainTransfer(part);
  const gzip = isGzip(headers.get('content-encoding'));
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of exactly(body, lengthOf(part))) {
    held.add(chunk.length);
    length += chunk.length;
    if (length > documentBytesMax) throw tooLarge(documentBytesMax);
    chunks.push(Buffer.from(chunk));
  }
  return await textOf(Buffer.concat(chunks), { gzip, bytesMax: documentBytesMax, held });
}

/**
 * The bytes of an attachment. What is announced with the encoding gzip is stored as it is;
 * otherwise that is a part's way to travel, and undone.
 */
function contentOf(
  part: IncomingPart,
  candidates: readonly { readonly length: number; readonly encoding?: string }[],
): AsyncIterable<Uint8Array> {
  requirePlainTransfer(part);
  const isZipped = isGzip(part.headers.get('content-encoding'));
  const isKept = candidates.some(({ encoding }) => encoding === 'gzip');
  const sent = exactly(part.body, lengthOf(part));
  const longest = Math.max(...candidates.map(({ length }) => length));
  return atMost(isZipped && !isKept ? unzipped(sent) : sent, longest);
}

/** Only mail needs other ways to transfer bytes (RFC 2045 §6). */
function requirePlainTransfer({ headers }: IncomingPart): void {
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase() ?? 'binary';
  if (encoding !== 'binary' && encoding !== '8bit' && encoding !== '7bit')
    throw new GatewayError('badRequest', 'the Content-Transfer-Encoding of a part must be binary');
}

/** What the part says of its length; undefined: nothing. Throws `badRequest` for nonsense. */
function lengthOf({ headers }: IncomingPart): number | undefined {
  const told = headers.get('content-length');
  if (told === undefined) return undefined;
  if (/^\d{1,15}$/.test(told)) return Number(told);
  throw new GatewayError('badRequest', 'the Content-Length of a part is no number');
}

async function* exactly(
  bytes: AsyncIterable<Uint8Array>,
  length: number | undefined,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const chunk of bytes) {
    count += chunk.length;
    if (count > (length ?? count)) break;
    yield chunk;
  }
  if (count !== (length ?? count))
    throw new GatewayError('badRequest', 'a part has not the Content-Length that it tells');
}

/** So a part that lies about its length is given up as soon as that is known. */
async function* atMost(
  bytes: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const chunk of bytes) {
    count += chunk.length;
    if (count > length)
      throw new GatewayError('badRequest', 'a part is longer than the attachment announced for it');
    yield chunk;
  }
}

async function* unzipped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip();
  const fed = pipeline(Readable.from(copies(bytes), { objectMode: false }), unzip);
  fed.catch(() => undefined); // what fails there fails the reading below
  try {
    for await (const chunk of unzip) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('badRequest', 'a part is not gzip as its headers say', { cause });
  }
}

/** For who asks for more before it has used what it got. */
async function* copies(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) yield Buffer.from(chunk);
}
