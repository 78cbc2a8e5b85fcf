import { z } from 'zod';
import type { Collection } from '../../database/collection.ts';
import type { ReadRevision } from '../../database/read-document.ts';
import { parseRevId } from '../../document/rev-id.ts';
import type { Reader } from '../../principals/access.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import { prefersJson } from '../accept.ts';
import { jsonChunks } from '../answer.ts';
import type { Chunks } from '../answer.ts';
import { jsonBody } from '../body.ts';
import { documentJson, documentPart } from '../document-answer.ts';
import type { Telling } from '../document-answer.ts';
import { bulkErrorRow } from '../error-map.ts';
import { errorPart, multipart } from '../multipart-writer.ts';
import type { Part } from '../multipart-writer.ts';
import { tellingOf, tellingQuery } from '../revision-query.ts';
import { route } from '../route.ts';
import { bulkError, document } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';

const asked = z.object({
  id: z.unknown().optional(),
  rev: z.string().optional(),
  atts_since: z.array(z.string()).nullish(),
});
type Asked = z.output<typeof asked>;

const answerSchema = z.object({
  results: z.array(
    z.object({
      id: z.string(),
      docs: z.array(z.union([z.object({ ok: document }), z.object({ error: bulkError })])),
    }),
  ),
});

export const postBulkGet = route({
  method: 'POST',
  path: '/{keyspace}/_bulk_get',
  about: 'Many documents or revisions: `multipart/mixed`, or JSON for who prefers it.',
  access: 'reader',
  query: z.object(tellingQuery),
  body: jsonBody(z.object({ docs: z.array(asked) })),
  answers: { 200: { ...jsonContent(answerSchema), 'multipart/mixed': null } },
  handle: ({ collection, reader, query, headers, body }) => {
    const source: Source = { collection, reader, telling: tellingOf(query) };
    if (prefersJson(headers.accept, 'multipart/mixed'))
      return jsonChunks(200, results(source, body.docs));
    const { contentType, chunks } = multipart('mixed', parts(source, body.docs));
    const content = {
      kind: 'chunks',
      contentType,
      chunks,
      compress: false,
      isOwner: true,
    } as const;
    return { status: 200, headers: {}, body: content };
  },
});

interface Source {
  readonly collection: Collection;
  readonly reader: Reader;
  readonly telling: Telling;
}

async function* parts(source: Source, docs: readonly Asked[]): AsyncGenerator<Part> {
  for (const doc of docs) yield await onePart(source, doc);
}

async function onePart(source: Source, doc: Asked): Promise<Part> {
  try {
    const telling = tellingFor(source, doc);
    return await documentPart(source.collection, await find(source, doc), telling);
  } catch (cause) {
    return errorPart(errorRow(cause, doc));
  }
}

/** The form of CouchDB 2.0, which PouchDB reads: one result for each document asked for. */
async function* results(source: Source, docs: readonly Asked[]): Chunks {
  let before = '{"results":[';
  for (const doc of docs) {
    yield `${before}{"id":${JSON.stringify(idOf(doc))},"docs":[${await oneResult(source, doc)}]}`;
    before = ',\n';
  }
  yield docs.length === 0 ? '{"results":[]}' : ']}';
}

async function oneResult(source: Source, doc: Asked): Promise<string> {
  try {
    const telling = tellingFor(source, doc);
    return `{"ok":${await documentJson(source.collection, await find(source, doc), telling)}}`;
  } catch (cause) {
    return JSON.stringify({ error: errorRow(cause, doc) });
  }
}

async function find({ collection, reader }: Source, doc: Asked): Promise<ReadRevision> {
  if (typeof doc.id !== 'string' || doc.id === '')
    throw new GatewayError('badRequest', 'the id of the document is missing');
  return collection.read(reader, doc.id, doc.rev === undefined ? undefined : revOf(doc.rev));
}

/** What is no revision id is no revision that exists (recorded in bulk/malformed-requests). */
function revOf(text: string): ReturnType<typeof parseRevId> {
  try {
    return parseRevId(text);
  } catch (cause) {
    if (isGatewayError(cause)) throw new GatewayError('missing', 'missing', { cause });
    throw cause;
  }
}

function tellingFor({ telling }: Source, { atts_since: attsSince }: Asked): Telling {
  return attsSince === undefined || attsSince === null
    ? telling
    : { ...telling, attsSince: attsSince.map(parseRevId) };
}

const idOf = ({ id }: Asked): string => (typeof id === 'string' ? id : '');

function errorRow(cause: unknown, doc: Asked): Readonly<Record<string, unknown>> {
  return bulkErrorRow(cause, { id: idOf(doc), rev: doc.rev });
}
