import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { ReadAttachment } from '../../database/collection.ts';
import { renderAttachment } from '../../document/render-document.ts';
import { parseRevId } from '../../document/rev-id.ts';
import { GatewayError } from '../../util/errors.ts';
import { jsonText } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { byteStream, isGzip, noBody } from '../body.ts';
import { isRangeMeant, parseRange } from '../byte-range.ts';
import { isInsecureType, safeContentType } from '../content-type.ts';
import { flag, given } from '../query.ts';
import { editedRevision } from '../revision-query.ts';
import { route } from '../route.ts';
import { writtenAnswer } from './document.ts';
import { WRITE_ERRORS, written } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

export const getAttachment = route({
  method: 'GET',
  path: '/{keyspace}/{docid}/{attachment}',
  about: 'The bytes of an attachment, or a range of them; `meta=true`: what is known of it.',
  access: 'reader',
  query: z.object({ rev: given, meta: flag, content_encoding: flag }),
  body: noBody,
  answers: { 200: { '*/*': null }, 206: { '*/*': null } },
  refuses: ['rangeNotSatisfiable', 'forbidden', 'deleted'],
  handle: async ({ collection, database, reader, params, query, headers, isHead }) => {
    const attachment = await collection.attachment(reader, params.docid, {
      name: params.attachment,
      rev: query.rev === undefined ? undefined : parseRevId(query.rev),
    });
    if (query.meta === true) return jsonText(200, renderAttachment(attachment.stub));
    const etag = `"${attachment.stub.digest}"`;
    const ifRange = headers['if-range']?.toString();
    return bytesAnswer(attachment, {
      etag,
      // RFC 9110 §14.2: of GET alone.
      range: !isHead && isRangeMeant(ifRange, etag) ? headers.range : undefined,
      showEncoding: query.content_encoding ?? true,
      serveInsecure: database.config.serve_insecure_attachment_types,
    });
  },
});

export const putAttachment = route({
  method: 'PUT',
  path: '/{keyspace}/{docid}/{attachment}',
  about: 'Adds or replaces an attachment: a new revision of its document.',
  access: 'reader',
  query: z.object({ rev: given }),
  body: byteStream,
  answers: { 201: jsonContent(written) },
  refuses: WRITE_ERRORS,
  handle: async ({ collection, database, reader, params, query, headers, body, signal }) => {
    refuseTooLong(headers, database.config.limits.attachment_bytes_max);
    const written = await collection.putAttachment(reader, params.docid, {
      name: params.attachment,
      rev: editedRevision(query.rev, headers['if-match']),
      contentType: headers['content-type'] ?? 'application/octet-stream',
      bytes: body,
      signal,
    });
    return writtenAnswer(201, written);
  },
});

export const deleteAttachment = route({
  method: 'DELETE',
  path: '/{keyspace}/{docid}/{attachment}',
  about: 'Takes an attachment away: a new revision of its document.',
  access: 'reader',
  query: z.object({ rev: given }),
  body: noBody,
  answers: { 200: jsonContent(written) },
  refuses: WRITE_ERRORS,
  handle: async ({ collection, reader, params, query, headers, signal }) => {
    const written = await collection.removeAttachment(reader, params.docid, {
      name: params.attachment,
      rev: editedRevision(query.rev, headers['if-match']),
      signal,
    });
    return writtenAnswer(200, written);
  },
});

/** Before it is sent, where its sender tells how long it is. */
function refuseTooLong(headers: IncomingHttpHeaders, bytesMax: number): void {
  const isPlain = !isGzip(headers['content-encoding']);
  if (isPlain && Number(headers['content-length'] ?? 0) > bytesMax)
    throw new GatewayError('tooLarge', `the attachment is longer than ${bytesMax} bytes`);
}

interface BytesOptions {
  readonly etag: string;
  readonly range: string | undefined;
  readonly showEncoding: boolean;
  readonly serveInsecure: boolean;
}

async function bytesAnswer(
  attachment: ReadAttachment,
  { etag, range: header, showEncoding, serveInsecure }: BytesOptions,
): Promise<Answer> {
  const { stub } = attachment;
  const { length } = stub;
  const range = parseRange(header, length);
  const contentType = safeContentType(stub.content_type);
  const headers: Record<string, string> = {
    Etag: etag,
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
  };
  if (!serveInsecure && isInsecureType(contentType)) headers['Content-Disposition'] = 'attachment';
  if (showEncoding && stub.encoding === 'gzip') headers['Content-Encoding'] = 'gzip';
  if (range !== undefined)
    headers['Content-Range'] = `bytes ${range.start}-${range.end - 1}/${length}`;
  return {
    status: range === undefined ? 200 : 206,
    headers,
    body: {
      kind: 'chunks',
      contentType,
      chunks: await attachment.open(range),
      compress: false,
      isOwner: true,
      length: range === undefined ? length : range.end - range.start,
    },
  };
}
