import type { Collection } from '../database/collection.ts';
import type { ReadRevision, RevisionTextOptions } from '../database/read-document.ts';
import type { AttachmentForm } from '../document/render-document.ts';
import { generationOf } from '../document/rev-id.ts';
import type { AttachmentStub, RevId } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { Chunks } from './answer.ts';
import { quotedName, safeContentType } from './content-type.ts';
import { multipart } from './multipart-writer.ts';
import type { Multipart, Part } from './multipart-writer.ts';

/** What of a revision is told beside its body. */
export interface Telling extends Omit<RevisionTextOptions, 'attachmentForms'> {
  /** Whether the bytes of attachments are wanted. */
  readonly attachments: boolean;
  /** Revisions that the client has: their attachments are not sent again. */
  readonly attsSince: readonly RevId[];
}

/** Shorter attachments stand in the JSON of a multipart answer instead of in parts of their own. */
const INLINE_BYTES_MAX = 1000;
/** All attachments that stand in one JSON text: it is held in memory. */
const INLINE_TOTAL_BYTES_MAX = 64 * 1024 * 1024;

type Named = readonly (readonly [name: string, stub: AttachmentStub])[];

/**
 * The revision as JSON, wanted attachments as base64 in it. Throws `tooLarge` where they are too
 * much.
 */
export async function documentJson(
  collection: Collection,
  revision: ReadRevision,
  telling: Telling,
): Promise<string> {
  const wanted = wantedAttachments(revision, telling);
  const total = wanted.reduce((sum, [, { length }]) => sum + length, 0);
  if (total > INLINE_TOTAL_BYTES_MAX)
    throw new GatewayError(
      'tooLarge',
      `attachments of more than ${INLINE_TOTAL_BYTES_MAX} bytes are not sent inside JSON: ` +
        'accept multipart/related, or ask for each by its URL',
    );
  return revision.text({
    ...telling,
    attachmentForms: await inlineForms(collection, revision, wanted),
  });
}

/** The revision as one part: JSON, or `multipart/related` where attachments come with it. */
export async function documentPart(
  collection: Collection,
  revision: ReadRevision,
  telling: Telling,
): Promise<Part> {
  if (wantedAttachments(revision, telling).length === 0)
    return { headers: JSON_HEADERS, body: revision.text(telling) };
  const { contentType, chunks } = await documentMultipart(collection, revision, telling);
  return { headers: { 'Content-Type': contentType }, body: chunks };
}

/** The revision as `multipart/related`: its JSON, then the larger of the wanted attachments. */
export async function documentMultipart(
  collection: Collection,
  revision: ReadRevision,
  telling: Telling,
): Promise<Multipart> {
  const wanted = wantedAttachments(revision, telling);
  const inline = wanted.filter(([, { length }]) => length <= INLINE_BYTES_MAX);
  const following = wanted.filter(([, { length }]) => length > INLINE_BYTES_MAX);
  const forms = new Map(await inlineForms(collection, revision, inline));
  for (const [name] of following) forms.set(name, { kind: 'follows' });
  const document = revision.text({ ...telling, attachmentForms: forms });
  return multipart('related', relatedParts(collection, revision, { document, following }));
}

const JSON_HEADERS = { 'Content-Type': 'application/json' };

/** Whether anything but stubs would be told of the attachments. */
export function hasWantedAttachments(revision: ReadRevision, telling: Telling): boolean {
  return wantedAttachments(revision, telling).length > 0;
}

async function* relatedParts(
  collection: Collection,
  revision: ReadRevision,
  { document, following }: { readonly document: string; readonly following: Named },
): AsyncGenerator<Part> {
  yield { headers: JSON_HEADERS, body: document };
  for (const [name, stub] of following) {
    const bytes: Chunks = await collection.attachmentBytes(revision, name);
    yield {
      headers: {
        'Content-Type': safeContentType(stub.content_type),
        'Content-Length': String(stub.length),
        'Content-Disposition': `attachment; filename=${quotedName(name)}`,
        ...(stub.encoding === 'gzip' ? { 'Content-Encoding': 'gzip' } : {}),
      },
      body: bytes,
    };
  }
}

/** Those that came after the newest ancestor that the client has. */
function wantedAttachments(revision: ReadRevision, telling: Telling): Named {
  if (!telling.attachments) return [];
  const known = telling.attsSince.filter((rev) => revision.descendsFrom(rev));
  const knownGeneration = Math.max(0, ...known.map(generationOf));
  return Object.entries(revision.attachments).filter(([, { revpos }]) => revpos > knownGeneration);
}

async function inlineForms(
  collection: Collection,
  revision: ReadRevision,
  attachments: Named,
): Promise<ReadonlyMap<string, AttachmentForm>> {
  const forms = new Map<string, AttachmentForm>();
  for (const [name] of attachments) {
    const chunks: Uint8Array[] = [];
    const bytes = await collection.attachmentBytes(revision, name);
    for await (const chunk of bytes) chunks.push(chunk);
    forms.set(name, { kind: 'data', base64: Buffer.concat(chunks).toString('base64') });
  }
  return forms;
}
