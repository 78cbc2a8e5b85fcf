import type { RevisionsInput } from './parsed-document.ts';
import type { AttachmentStub, Attachments, RevId } from './types.ts';
import { formatExpiry } from './expiry.ts';
import { quoteJson } from './quote-json.ts';

export interface DocumentParts {
  readonly id: string;
  readonly rev: RevId;
  /** JSON text of an object without reserved members. */
  readonly body: string;
  readonly deleted?: boolean;
  /** The reader may not see this revision; `body` should be `{}`. */
  readonly removed?: boolean;
  readonly attachments?: Attachments;
  /** Attachments that are not told as stubs, by name. */
  readonly attachmentForms?: ReadonlyMap<string, AttachmentForm> | undefined;
  readonly revisions?: RevisionsInput | undefined;
  /** Unix seconds; 0 and absent: no `_exp`. */
  readonly exp?: number;
}

/** The bytes in base64, or a part of the multipart answer. */
export type AttachmentForm =
  | { readonly kind: 'data'; readonly base64: string }
  | { readonly kind: 'follows' };

/**
 * The JSON text of a document as clients see it, on one line. The body is spliced in as text: it is
 * neither parsed nor copied member by member, so that numbers and order stay as they were sent.
 */
export function renderDocument(parts: DocumentParts): string {
  let text = `{"_id":${quoteJson(parts.id)},"_rev":"${parts.rev}"`;
  if (parts.deleted === true) text += ',"_deleted":true';
  if (parts.removed === true) text += ',"_removed":true';
  if (parts.exp !== undefined && parts.exp > 0) text += `,"_exp":"${formatExpiry(parts.exp)}"`;
  if (parts.revisions !== undefined) text += `,"_revisions":${renderRevisions(parts.revisions)}`;
  if (parts.attachments !== undefined) {
    const attachments = renderAttachments(parts.attachments, parts.attachmentForms);
    if (attachments !== '{}') text += `,"_attachments":${attachments}`;
  }
  const members = innerText(parts.body);
  return members === '' ? `${text}}` : `${text},${members}}`;
}

/** JSON text of one attachment's metadata as a stub. */
export function renderAttachment(stub: AttachmentStub, form?: AttachmentForm): string {
  let text = '{';
  if (stub.content_type !== undefined) {
    text += `"content_type":${JSON.stringify(stub.content_type)},`;
  }
  if (form?.kind === 'data') text += `"data":"${form.base64}",`;
  text += `"digest":"${stub.digest}",`;
  if (stub.encoding !== undefined) text += `"encoding":${JSON.stringify(stub.encoding)},`;
  if (form?.kind === 'follows') text += '"follows":true,';
  text += `"length":${stub.length},"revpos":${stub.revpos}`;
  return form === undefined ? `${text},"stub":true}` : `${text}}`;
}

function renderAttachments(
  attachments: Attachments,
  forms: ReadonlyMap<string, AttachmentForm> | undefined,
): string {
  const entries = Object.entries(attachments).map(
    ([name, stub]) => `${JSON.stringify(name)}:${renderAttachment(stub, forms?.get(name))}`,
  );
  return `{${entries.join(',')}}`;
}

function renderRevisions({ start, ids }: RevisionsInput): string {
  // Digests need no escapes: see `parseRevId`.
  return `{"start":${start},"ids":[${ids.map((id) => `"${id}"`).join(',')}]}`;
}

/**
 * What is between the braces. A body that a stranger wrote may have white space around and line
 * ends between tokens (in a string they are escaped), where a feed wants one line.
 */
function innerText(body: string): string {
  const plain = body.charCodeAt(0) === 0x7b && body.charCodeAt(body.length - 1) === 0x7d;
  const whole = plain ? body : body.trim();
  const inner = whole.slice(1, -1);
  const line = inner.includes('\n') || inner.includes('\r') ? inner.replace(/[\r\n]/g, ' ') : inner;
  return plain && line.charCodeAt(0) === 0x22 ? line : line.trim();
}
