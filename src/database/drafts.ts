import type { StoredAttachment } from '../bucket/bucket.ts';
import type { AttachmentInput, AttachmentsInput } from '../document/attachments-input.ts';
import { findAttachment } from '../document/attachments-merge.ts';
import { canonicalJson } from '../document/canonical-json.ts';
import { scanObject } from '../document/json-scanner.ts';
import type { ParsedDocument } from '../document/parsed-document.ts';
import { historyOf } from '../document/parsed-document.ts';
import type { Attachments, RevId } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { revisionBody } from './current-document.ts';
import type { Draft } from './update-document.ts';

/** The changes that clients make to a document, as drafts for `updateDocument`. */

/** A document as sent. `rev`: the revision that it edits; the body's `_rev` counts where absent. */
export function documentDraft(
  parsed: ParsedDocument,
  { rev, newEdits }: { readonly rev: RevId | undefined; readonly newEdits: boolean },
): Draft {
  if (rev !== undefined && parsed.rev !== undefined && rev !== parsed.rev)
    throw new GatewayError('badRequest', 'the revision of the request is not the _rev of its body');
  const { deleted, canonical } = parsed;
  return {
    edit: newEdits
      ? { kind: 'new', parent: rev ?? parsed.rev, deleted, canonical }
      : { kind: 'pushed', history: historyOf(parsed), deleted },
    body: parsed.body,
    attachments: () => parsed.attachments,
    expiry: parsed.expiry,
  };
}

/** A deletion without properties. */
export function deletionDraft(rev: RevId | undefined): Draft {
  return {
    edit: { kind: 'new', parent: rev, deleted: true, canonical: '{"_deleted":true}' },
    body: '{}',
    attachments: () => undefined,
  };
}

export interface AttachmentEdit {
  readonly name: string;
  readonly rev: RevId | undefined;
}

/**
 * The document as it is, with one attachment more or another one of that name; a new one where
 * there is none.
 */
export async function attachmentDraft(
  context: CollectionContext,
  current: CurrentDocument | undefined,
  edit: AttachmentEdit & { readonly stored: StoredAttachment; readonly contentType: string },
): Promise<Draft> {
  const { name, stored, contentType } = edit;
  const added: AttachmentInput = { kind: 'follows', ...stored, content_type: contentType };
  const base = await sameDocument(context, current, edit.rev);
  return { ...base, attachments: (parent) => withEntry(asStubs(parent), name, added) };
}

/**
 * The document as it is, without one attachment. Throws `missing` where the revision has none of
 * that name.
 */
export async function attachmentRemovalDraft(
  context: CollectionContext,
  current: CurrentDocument | undefined,
  { name, rev }: AttachmentEdit,
): Promise<Draft> {
  const content =
    current === undefined ? undefined : await revisionBody(context, current, rev ?? current.rev);
  if (content === undefined || findAttachment(content.attachments, name) === undefined)
    throw new GatewayError('missing', 'the document has no attachment of this name');
  const base = await sameDocument(context, current, rev);
  return { ...base, attachments: (parent) => withEntry(asStubs(parent), name, undefined) };
}

/** A new revision with the body of the one that it comes from. */
async function sameDocument(
  context: CollectionContext,
  current: CurrentDocument | undefined,
  rev: RevId | undefined,
): Promise<Omit<Draft, 'attachments'>> {
  const from = rev ?? (current?.deleted === false ? current.rev : undefined);
  const content =
    current === undefined || from === undefined
      ? undefined
      : await revisionBody(context, current, from);
  if (content === undefined && current?.isOverwritten === true && from === current.rev)
    throw new GatewayError('missing', 'Not imported');
  const body = content?.body ?? '{}';
  const canonical = canonicalJson(scanObject(body), () => false);
  return {
    edit: { kind: 'new', parent: rev, deleted: false, canonical },
    body,
    ...(current === undefined || current.expiry === 0 ? {} : { expiry: current.expiry }),
  };
}

function asStubs(attachments: Attachments): ReadonlyMap<string, AttachmentInput> {
  return new Map(
    Object.entries(attachments).map(([name, { digest, revpos }]) => [
      name,
      { kind: 'stub', digest, revpos },
    ]),
  );
}

function withEntry(
  stubs: ReadonlyMap<string, AttachmentInput>,
  name: string,
  entry: AttachmentInput | undefined,
): AttachmentsInput {
  const entries = new Map(stubs);
  if (entry === undefined) entries.delete(name);
  else entries.set(name, entry);
  return Object.fromEntries(entries);
}
