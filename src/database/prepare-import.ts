import type { DocumentChange, StoredDocument } from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import type { RejectedAs, RejectionChange, TakenChange } from '../bucket/foreign-writes.ts';
import type { Lease } from '../bucket/leases.ts';
import type { InsertedEdit } from '../document/edit.ts';
import { planEdit } from '../document/edit.ts';
import { renderDocument } from '../document/render-document.ts';
import type { RevId } from '../document/types.ts';
import { must } from '../util/assert.ts';
import { isGatewayError } from '../util/errors.ts';
import { changeRules } from './change-rules.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { currentDocument, revisionBody } from './current-document.ts';
import { documentChange } from './document-change.ts';
import type { ForeignContent } from './foreign-content.ts';
import { foreignContent } from './foreign-content.ts';
import { hideRevision } from './hide-revision.ts';
import type { ImportRules } from './import-rules.ts';
import { judgeRevision } from './judge-revision.ts';
import { risenLeaf } from './risen-leaf.ts';
import { routedAnew } from './routed-anew.ts';
import { routedXattrCrc } from './user-xattr.ts';

/** A collection that takes in what strangers write. */
export interface ImportingContext extends CollectionContext {
  readonly imports: ImportRules;
}

/** What is to become of a foreign write, for the bucket to commit. */
export type PreparedImport =
  | {
      readonly kind: 'revision';
      readonly change: DocumentChange;
    }
  /** The body is as it was, and goes other ways. */
  | { readonly kind: 'routing'; readonly change: DocumentChange }
  /** It changes no revision. */
  | { readonly kind: 'same'; readonly change: TakenChange }
  | {
      readonly kind: 'refusal';
      readonly change: RejectionChange;
      /** `no`: the filter does not want it; `mistake`: it is wrong; `broken`: a function broke. */
      readonly why: RefusedFor;
    };

type RefusedFor = 'no' | 'mistake' | 'broken';

type Content = Extract<ForeignContent, { kind: 'body' | 'deletion' }>;

/**
 * Decides about a foreign write: as by an administrator, without an old document, the filter before
 * the sync function. `lease`: what its commit rests on besides. Throws `unavailable`, `corrupt` and
 * what the bucket throws.
 */
export async function prepareImport(
  context: ImportingContext,
  stored: StoredDocument,
  lease?: Lease,
): Promise<PreparedImport> {
  const content = foreignContent(stored, context.imports);
  if (content.kind === 'unfit')
    return refusal(context, stored, { as: 'body', reason: content.reason, lease });
  const { metadata } = stored;
  const current = metadata === undefined ? undefined : currentDocument(stored, metadata);
  try {
    if (content.kind === 'sameBody') return await unchanged(context, stored, lease);
    const planned = plan(content, current);
    const no = await filtered(context, { stored, content, rev: planned.rev });
    if (no !== undefined) return refusal(context, stored, { as: 'filter', ...no, lease });
    const change = await judged(context, { stored, current, content, planned });
    return { kind: 'revision', change: { ...change, ...leaseOf(lease) } };
  } catch (cause) {
    if (!isGatewayError(cause, 'forbidden', 'unauthorized', 'functionFailed')) throw cause;
    const isBroken = isGatewayError(cause, 'functionFailed');
    const why = isBroken ? 'broken' : 'mistake';
    return refusal(context, stored, { as: 'function', why, reason: cause.message, lease });
  }
}

/**
 * The body is the gateway's own; an xattr that the sync function looks at may be another one, or it
 * was hidden for what a stranger had written meanwhile.
 */
async function unchanged(
  context: ImportingContext,
  stored: StoredDocument,
  lease: Lease | undefined,
): Promise<PreparedImport> {
  const { key, cas: ifCas, body, xattrs } = stored;
  const metadata = must(stored.metadata, 'a body of the gateway has metadata');
  const xattrCrc = routedXattrCrc(context, xattrs);
  const isRouted = xattrCrc === undefined || xattrCrc === (metadata.xattrCrc ?? null);
  if (isRouted && (metadata.flags & FLAG.hidden) === 0) {
    const of = { collection: context.id, key, ifCas, ...leaseOf(lease) };
    return { kind: 'same', change: { kind: 'taken', ...of } };
  }
  const current = currentDocument(stored, metadata);
  const verdict = await judgeRevision(context, {
    id: key,
    rev: current.rev,
    body: must(body, 'the same body is one'),
    deleted: false,
    parent: undefined,
    writer: { kind: 'admin' },
    xattrs,
  });
  const change = { ...routedAnew(context, current, verdict), ...leaseOf(lease) };
  return { kind: 'routing', change };
}

/** Always a child of the winner; over a tombstone it goes on from there. */
function plan(content: Content, current: CurrentDocument | undefined): InsertedEdit {
  const deleted = content.kind === 'deletion';
  const canonical = deleted ? '{"_deleted":true}' : content.canonical;
  const edit = { kind: 'new', parent: current?.rev, deleted, canonical } as const;
  const planned = planEdit(current?.metadata.tree, edit, { allowConflicts: true });
  if (planned.kind === 'insert') return planned;
  throw new Error('bug: an edit of the winner is a new revision');
}

/** Why the filter does not let it pass; undefined: it does, or is not asked. */
async function filtered(
  { imports }: ImportingContext,
  write: { readonly stored: StoredDocument; readonly content: Content; readonly rev: RevId },
): Promise<{ readonly reason: string; readonly why: RefusedFor } | undefined> {
  const { stored, content, rev } = write;
  // What is deleted is gone, and has no body that a filter could be asked about.
  if (imports.filter === undefined || content.kind === 'deletion') return undefined;
  try {
    const doc = renderDocument({ id: stored.key, rev, body: content.body });
    if (await imports.filter.accepts(doc)) return undefined;
    return { reason: 'the import filter does not accept it', why: 'no' };
  } catch (cause) {
    if (!isGatewayError(cause, 'functionFailed')) throw cause;
    return { reason: cause.message, why: 'broken' };
  }
}

async function judged(
  context: ImportingContext,
  write: {
    readonly stored: StoredDocument;
    readonly current: CurrentDocument | undefined;
    readonly content: Content;
    readonly planned: InsertedEdit;
  },
): Promise<DocumentChange> {
  const { stored, current, content, planned } = write;
  const { key, cas } = stored;
  const deleted = content.kind === 'deletion';
  const body = deleted ? '{}' : content.body;
  const verdict = await judgeRevision(context, {
    id: key,
    rev: planned.rev,
    body,
    deleted,
    parent: undefined,
    writer: { kind: 'admin' },
    xattrs: stored.xattrs,
    // It is gone already: nothing could be put back.
    mustPass: deleted,
  });
  // Strangers know nothing of attachments: they stay with the document.
  const isEdit = !deleted && current?.deleted === false;
  const attachments = isEdit ? current.metadata.attachments : {};
  return documentChange(
    {
      key,
      cas,
      current,
      planned,
      content: { body, attachments },
      parent: await keptParent(context, current),
      verdict,
      expiry: verdict.expiry ?? stored.expiry,
      xattrCrc: routedXattrCrc(context, deleted ? null : stored.xattrs),
      risen: await risenLeaf(context, current, planned),
    },
    changeRules(context),
  );
}

/** The body that a stranger wrote over, where a copy of it was kept. */
async function keptParent(
  context: ImportingContext,
  current: CurrentDocument | undefined,
): ReturnType<typeof revisionBody> {
  if (current?.metadata.tree.get(current.rev)?.keptBody === undefined) return undefined;
  return revisionBody(context, current, current.rev);
}

/** A foreign write that is left as it is, and listed with the reason. */
export function refusal(
  context: ImportingContext,
  stored: StoredDocument,
  refused: {
    readonly as: RejectedAs;
    readonly reason: string;
    readonly why?: RefusedFor;
    readonly lease: Lease | undefined;
  },
): PreparedImport {
  const { as: rejectedAs, reason, why = 'mistake', lease } = refused;
  const { key, cas: ifCas } = stored;
  const of = { collection: context.id, key, ifCas, rejectedAs, reason, ...leaseOf(lease) };
  const hides = hideRevision(context, stored);
  // By rules that were changed meanwhile nothing is refused.
  const judged = { function: context.imports.version, ...(hides === undefined ? {} : { hides }) };
  return { kind: 'refusal', change: { kind: 'rejection', ...of, ...judged }, why };
}

function leaseOf(lease: Lease | undefined): { readonly lease?: Lease } {
  return lease === undefined ? {} : { lease };
}
