import { createHash } from 'node:crypto';
import type { RevisionBody } from '../bucket/bucket.ts';
import { renderAttachment, renderDocument } from '../document/render-document.ts';
import type { DocId, RevId } from '../document/types.ts';

/**
 * The body of a `document_changed` event, as recorded: the document itself with `_id`, `_rev`,
 * `_deleted` and its attachments as stubs, which say `ver: 2`.
 */
export function documentEventBody(
  id: DocId,
  { rev, deleted }: { readonly rev: RevId; readonly deleted: boolean },
  { body, attachments }: RevisionBody,
): string {
  const text = renderDocument({ id, rev, deleted, body });
  const stubs = Object.entries(attachments).map(
    ([name, stub]) => `${JSON.stringify(name)}:${renderAttachment(stub).slice(0, -1)},"ver":2}`,
  );
  return stubs.length === 0 ? text : `${text.slice(0, -1)},"_attachments":{${stubs.join(',')}}}`;
}

/** The same for the same parts, in every process and after every restart. */
export function deliveryId(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
