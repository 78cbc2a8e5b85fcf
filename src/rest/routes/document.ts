import { z } from 'zod';
import type { Collection } from '../../database/collection.ts';
import type { Written } from '../../database/update-document.ts';
import { parseDocument } from '../../document/parsed-document.ts';
import { parseRevId } from '../../document/rev-id.ts';
import type { RevId } from '../../document/types.ts';
import type { Reader } from '../../principals/access.ts';
import { GatewayError } from '../../util/errors.ts';
import { namesType, prefersJson } from '../accept.ts';
import { jsonText } from '../answer.ts';
import type { Answer } from '../answer.ts';
import { noBody } from '../body.ts';
import {
  documentJson,
  documentMultipart,
  documentPart,
  hasWantedAttachments,
} from '../document-answer.ts';
import { documentBody, receiveDocument } from '../document-body.ts';
import type { Telling } from '../document-answer.ts';
import { errorPart, multipart } from '../multipart-writer.ts';
import type { Multipart, Part } from '../multipart-writer.ts';
import { flag, given } from '../query.ts';
import { editedRevision, tellingOf, tellingQuery } from '../revision-query.ts';
import { route } from '../route.ts';
import { WRITE_ERRORS, document, written } from '../answer-schemas.ts';
import { jsonContent } from '../content.ts';
import type { Content } from '../content.ts';

const MULTIPART_RELATED = 'multipart/related';

const DOCUMENT: Content = {
  ...jsonContent(
    z.union([
      document,
      z.array(z.union([z.object({ ok: document }), z.object({ missing: z.string() })])),
    ]),
  ),
  'multipart/related': null,
  'multipart/mixed': null,
};

export const getDocument = route({
  method: 'GET',
  path: '/{keyspace}/{docid}',
  about: 'A document: its winner, a revision by `rev`, or several by `open_revs`.',
  access: 'reader',
  query: z.object({ ...tellingQuery, rev: given, open_revs: given }),
  body: noBody,
  answers: { 200: DOCUMENT },
  refuses: ['forbidden', 'deleted'],
  handle: async ({ collection, reader, params, query, headers }) => {
    const telling = tellingOf(query);
    const { accept } = headers;
    if (query.open_revs !== undefined) {
      const revs = openRevs(query.open_revs);
      return leavesAnswer(collection, { reader, id: params.docid, revs, telling, accept });
    }
    const rev = query.rev === undefined ? undefined : parseRevId(query.rev);
    const revision = await collection.read(reader, params.docid, rev);
    const etag = { Etag: `"${revision.rev}"` };
    const asParts =
      namesType(accept, MULTIPART_RELATED) ||
      (hasWantedAttachments(revision, telling) && !prefersJson(accept, MULTIPART_RELATED));
    if (!asParts) return jsonText(200, await documentJson(collection, revision, telling), etag);
    return multipartAnswer(await documentMultipart(collection, revision, telling), etag);
  },
});

export const putDocument = route({
  method: 'PUT',
  path: '/{keyspace}/{docid}',
  about: 'Writes a document over the revision of `rev`, `If-Match` or `_rev`.',
  access: 'reader',
  query: z.object({ rev: given, new_edits: flag }),
  body: documentBody,
  answers: { 201: jsonContent(written) },
  refuses: WRITE_ERRORS,
  handle: async ({ collection, reader, params, query, headers, body, cancellation }) => {
    const receiving = receiveDocument(body, collection, cancellation);
    const received = receiving instanceof Promise ? await receiving : receiving;
    const written = await collection.update(reader, params.docid, {
      ...received,
      rev: editedRevision(query.rev, headers['if-match']),
      newEdits: query.new_edits ?? true,
      cancellation,
    });
    return writtenAnswer(201, written);
  },
});

export const postDocument = route({
  method: 'POST',
  path: '/{keyspace}/',
  about: 'Writes a new document, under the `_id` of its body or a made-up one.',
  access: 'reader',
  query: z.object({ new_edits: flag }),
  body: documentBody,
  answers: { 200: jsonContent(written) },
  refuses: WRITE_ERRORS,
  handle: async ({ collection, reader, query, body, cancellation }) => {
    const newEdits = query.new_edits ?? true;
    const received = await receiveDocument(body, collection, cancellation);
    const { text } = received;
    // As recorded in docs/post-creates: what is created has no revision to go on from.
    if (newEdits && text.includes('"_rev"') && parseDocument(text).rev !== undefined)
      throw new GatewayError('missing', 'there is no revision to replace: use PUT');
    return writtenAnswer(
      200,
      await collection.update(reader, undefined, { ...received, newEdits, cancellation }),
    );
  },
});

export const deleteDocument = route({
  method: 'DELETE',
  path: '/{keyspace}/{docid}',
  about: 'Deletes the revision of `rev` or `If-Match`: a tombstone follows it.',
  access: 'reader',
  query: z.object({ rev: given }),
  body: noBody,
  answers: { 200: jsonContent(written) },
  refuses: WRITE_ERRORS,
  handle: async ({ collection, reader, params, query, headers, cancellation }) => {
    const rev = editedRevision(query.rev, headers['if-match']);
    return writtenAnswer(200, await collection.remove(reader, params.docid, { rev, cancellation }));
  },
});

/** What every write of a document answers. */
export function writtenAnswer(status: number, { id, rev }: Written): Answer {
  const text = `{"id":${JSON.stringify(id)},"ok":true,"rev":"${rev}"}`;
  return jsonText(status, text, { Etag: `"${rev}"` });
}

function multipartAnswer({ contentType, chunks }: Multipart, headers: Answer['headers']): Answer {
  const body = { kind: 'chunks', contentType, chunks, compress: false, isOwner: true } as const;
  return { status: 200, headers, body };
}

function openRevs(text: string): readonly RevId[] | 'leaves' {
  if (text === 'all') return 'leaves';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // told below, like any other value that is no list
  }
  const parsed = z.array(z.string()).safeParse(value);
  if (!parsed.success)
    throw new GatewayError('badRequest', 'open_revs is `all` or a JSON list of revisions');
  return parsed.data.map(parseRevId);
}

interface LeavesRequest {
  readonly reader: Reader;
  readonly id: string;
  readonly revs: readonly RevId[] | 'leaves';
  readonly telling: Telling;
  readonly accept: string | undefined;
}

type Leaves = Awaited<ReturnType<Collection['readRevisions']>>;

async function leavesAnswer(collection: Collection, request: LeavesRequest): Promise<Answer> {
  const { reader, id, revs, telling, accept } = request;
  const leaves = await collection.readRevisions(reader, id, revs);
  if (!prefersJson(accept, 'multipart/mixed'))
    return multipartAnswer(multipart('mixed', leafParts(collection, leaves, telling)), {});
  const rows: string[] = [];
  for (const { rev, found } of leaves) {
    if (found === undefined) rows.push(JSON.stringify({ missing: rev }));
    else rows.push(`{"ok":${await documentJson(collection, found, telling)}}`);
  }
  return jsonText(200, `[${rows.join(',\n')}]`);
}

async function* leafParts(
  collection: Collection,
  leaves: Leaves,
  telling: Telling,
): AsyncGenerator<Part> {
  for (const { rev, found } of leaves) {
    if (found === undefined) yield errorPart({ missing: rev });
    else yield documentPart(collection, found, telling);
  }
}
