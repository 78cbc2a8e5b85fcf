import type { CommitResult, RevisionBody, StoredAttachment } from '../bucket/bucket.ts';
import type { AttachmentsInput } from '../document/attachments-input.ts';
import type { Edit, InsertedEdit } from '../document/edit.ts';
import { applyEdit, planEdit } from '../document/edit.ts';
import { parseExpiry } from '../document/expiry.ts';
import { generationOf } from '../document/rev-id.ts';
import type { Attachments, DocId, RevId, Sequence } from '../document/types.ts';
import { documentWritten, writeConflicted } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import { must } from '../util/assert.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { changeRules } from './change-rules.ts';
import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { revisionBody } from './current-document.ts';
import type { JudgedEdit } from './document-change.ts';
import { documentChange } from './document-change.ts';
import { judgeRevision } from './judge-revision.ts';
import type { LoadedDocument } from './load-imported.ts';
import { loadImported } from './load-imported.ts';
import { risenLeaf } from './risen-leaf.ts';
import { routedXattrCrc } from './user-xattr.ts';
import { RequestAttachments } from './store-attachments.ts';

/** What a writer wants of a document. */
export interface Draft {
  readonly edit: Edit;
  /** JSON text of the new revision without reserved properties. */
  readonly body: string;
  /** Its attachments, from those of the revision that it comes from. */
  readonly attachments: (parent: Attachments) => AttachmentsInput | undefined;
  /** The value of `_exp`; undefined: none. */
  readonly expiry?: unknown;
}

export interface WriteRequest {
  readonly key: DocId;
  readonly writer: Reader;
  /**
   * Makes the draft from the document as it is at that moment; called again where somebody else was
   * faster. What it throws is told to the writer.
   */
  readonly draft: (current: CurrentDocument | undefined) => Awaitable<Draft>;
  /**
   * The gateway's own deletion of what expired: the sync function routes it, and may not refuse it.
   */
  readonly mustPass?: boolean;
  /** Bytes that are in the bucket already, by attachment name. */
  readonly stored?: ReadonlyMap<string, StoredAttachment>;
  readonly cancellation?: Cancellation;
}

export interface Written {
  readonly id: DocId;
  readonly rev: RevId;
  /** 0 where nothing was written, because the revision was there already. */
  readonly seq: Sequence;
}

/** How often a write is judged anew because something that it rests on changed meanwhile. */
const ATTEMPTS_MAX = 50;

/**
 * The one way of a write: read (what a stranger wrote is taken in first), edit the revision tree,
 * ask the sync function, commit with what that rested on as preconditions, and all over again where
 * one of them does not hold any more. So nothing judged by an old function, for a right since
 * revoked, or over another document is ever committed. Throws what the edit, the sync function and
 * the bucket throw.
 */
export async function updateDocument(
  context: CollectionContext,
  request: WriteRequest,
): Promise<Written> {
  const attachments = new RequestAttachments({
    bucket: context.bucket,
    lengthMax: context.config.limits.attachment_bytes_max,
    stored: request.stored,
  });
  let { writer } = request;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt > 0) request.cancellation?.signal.throwIfAborted();
    const written = await writeOnce(context, request, { writer, attachments });
    if ('rev' in written) return written;
    if (written.failed === 'function') await context.syncFunction.reload();
    if (written.failed === 'access' && writer.kind === 'user')
      writer = await context.refresh(writer.access);
  }
  throw new GatewayError('unavailable', 'the document is being changed too often; try again');
}

type Failed = Extract<CommitResult, { ok: false }>;

interface Attempt {
  /** As it is now. */
  readonly writer: Reader;
  readonly attachments: RequestAttachments;
}

/**
 * NOTE: what need not wait is not awaited, and has no promise: this is the way of every write, and
 * each one costs.
 */
async function writeOnce(
  context: CollectionContext,
  request: WriteRequest,
  attempt: Attempt,
): Promise<Written | Failed> {
  const { key } = request;
  const loading = loadImported(context, key);
  const loaded = loading instanceof Promise ? await loading : loading;
  const { current } = loaded;
  const drafted = request.draft(current);
  const draft = drafted instanceof Promise ? await drafted : drafted;
  const planned = plan(context, loaded, { key, edit: draft.edit });
  if (planned.kind === 'known') return { id: key, rev: planned.rev, seq: NOT_WRITTEN };
  const hasParent = current !== undefined && planned.parent !== undefined;
  const parent = hasParent ? await revisionBody(context, current, planned.parent) : undefined;
  const parentAttachments = attachmentsOf(current, planned, parent);
  const input = draft.attachments(parentAttachments);
  const attachments =
    input === undefined
      ? NO_ATTACHMENTS
      : await attempt.attachments.settle(input, {
          parent: parentAttachments,
          generation: generationOf(planned.rev),
          metadata: current?.metadata,
        });
  const asked = parseExpiry(draft.expiry, nowSecs(context));
  const verdict = await judgeRevision(context, {
    id: key,
    rev: planned.rev,
    body: draft.body,
    deleted: planned.deleted,
    parent: oldDocument(current, planned, parent),
    writer: attempt.writer,
    xattrs: loaded.xattrs,
    mustPass: request.mustPass === true,
  });
  const rising = risenLeaf(context, current, planned);
  const edit: JudgedEdit = {
    key,
    cas: loaded.cas,
    current,
    planned,
    content: { body: draft.body, attachments },
    parent,
    verdict,
    expiry: verdict.expiry ?? asked,
    xattrCrc: routedXattrCrc(context, loaded.xattrs),
    risen: rising instanceof Promise ? await rising : rising,
  };
  const [result] = await context.bucket.commit([documentChange(edit, changeRules(context))]);
  return outcomeOf(context, edit, must(result, 'one result for each change'));
}

const NO_ATTACHMENTS: Attachments = {};
const NOT_WRITTEN = 0 as Sequence;

function outcomeOf(
  context: CollectionContext,
  edit: JudgedEdit,
  committed: CommitResult,
): Written | Failed {
  if (!committed.ok) return committed;
  const { rev } = edit.planned;
  documentWritten(context.observer, {
    id: edit.key,
    rev,
    bytes: edit.content.body.length,
    seq: committed.seq,
    kind: kindOf(edit),
    attachments: {
      before: attachmentsOf(edit.current, edit.planned, edit.parent),
      after: edit.content.attachments,
    },
  });
  return { id: edit.key, rev, seq: committed.seq };
}

function kindOf({ current, planned }: JudgedEdit): Parameters<typeof documentWritten>[1]['kind'] {
  if (planned.deleted) return 'deleteDocument';
  return current === undefined || current.deleted ? 'createDocument' : 'updateDocument';
}

function plan(
  context: CollectionContext,
  { current, isHidden }: LoadedDocument,
  { key, edit }: { readonly key: DocId; readonly edit: Edit },
): ReturnType<typeof planEdit> {
  const { allow_conflicts: allowConflicts } = context.config;
  try {
    const planned = planEdit(current?.metadata.tree, edit, { allowConflicts, isHidden });
    if (current !== undefined && isHidden) requireSuperseding(current, planned);
    return planned;
  } catch (cause) {
    if (isGatewayError(cause, 'conflict')) writeConflicted(context.observer, key);
    throw cause;
  }
}

/**
 * The body of the current revision is gone where a stranger wrote over it: so it cannot stay a leaf
 * beside another branch. Throws `conflict`.
 */
function requireSuperseding(
  { rev, deleted, metadata }: CurrentDocument,
  planned: ReturnType<typeof planEdit>,
): void {
  if (deleted || planned.kind === 'known') return;
  if (!applyEdit(metadata.tree, planned, {}).isLeaf(rev)) return;
  throw new GatewayError(
    'conflict',
    `another application wrote over ${rev}, and that is not imported: only this revision can be ` +
      'edited',
  );
}

/** What the parent had: known also where its body is gone. */
function attachmentsOf(
  current: CurrentDocument | undefined,
  planned: InsertedEdit,
  parent: RevisionBody | undefined,
): Attachments {
  if (parent !== undefined) return parent.attachments;
  const isCurrent = current !== undefined && planned.parent === current.rev && !current.deleted;
  return isCurrent ? current.metadata.attachments : {};
}

function oldDocument(
  current: CurrentDocument | undefined,
  { parent }: InsertedEdit,
  content: RevisionBody | undefined,
): { readonly rev: RevId; readonly body: string; readonly deleted: boolean } | undefined {
  if (current === undefined || parent === undefined || content === undefined) return undefined;
  const deleted = current.metadata.tree.get(parent)?.deleted === true;
  return { rev: parent, body: content.body, deleted };
}
