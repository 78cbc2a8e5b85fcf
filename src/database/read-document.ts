import type { RevisionsOptions } from '../document/revisions.ts';
import { revisionsOf } from '../document/revisions.ts';
import { presentChannels } from '../document/channel-state.ts';
import { renderDocument } from '../document/render-document.ts';
import type { AttachmentForm } from '../document/render-document.ts';
import type { Attachments, DocId, RevId } from '../document/types.ts';
import type { Reader } from '../principals/access.ts';
import { mayRead } from '../principals/access.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { revisionBody } from './current-document.ts';
import type { LoadedForReader } from './load-imported.ts';
import { loadForReader } from './load-imported.ts';

/** One revision as a reader may see it. */
export interface ReadRevision {
  readonly id: DocId;
  readonly rev: RevId;
  readonly deleted: boolean;
  /** The reader may know that this revision exists, but not what is in it: it has no body. */
  readonly removed: boolean;
  /** As stubs; empty where removed. */
  readonly attachments: Attachments;
  /** Whether it comes from that revision, or is it. */
  descendsFrom(rev: RevId): boolean;
  /** JSON text of the document. */
  text(options?: RevisionTextOptions): string;
}

export interface RevisionTextOptions {
  /** Adds `_revisions`. */
  readonly revisions?: RevisionsOptions;
  /** Adds `_exp` where the document expires. */
  readonly showExpiry?: boolean;
  /** Attachments that are not told as stubs. */
  readonly attachmentForms?: ReadonlyMap<string, AttachmentForm>;
}

/**
 * The winner, or the revision asked for. Throws `missing` where there is none or its body is not
 * kept, or where what a stranger made of the document is not taken in; `deleted` where the winner
 * is a tombstone and no revision was named; `forbidden` where the reader may not see the winner. A
 * named revision that it may not see is told as removed.
 */
export function readDocument(
  context: CollectionContext,
  {
    id,
    rev,
    reader,
  }: { readonly id: DocId; readonly rev?: RevId | undefined; readonly reader: Reader },
): Awaitable<ReadRevision> {
  const loading = loadForReader(context, id, reader);
  if (loading instanceof Promise) return loading.then((loaded) => readLoaded(context, loaded, rev));
  return readLoaded(context, loading, rev);
}

function readLoaded(
  context: CollectionContext,
  { current, reader }: LoadedForReader,
  rev: RevId | undefined,
): Awaitable<ReadRevision> {
  if (rev !== undefined) return readRevision(context, current, { rev, reader });
  if (!mayRead(reader, context.id, presentChannels(current.metadata)))
    throw new GatewayError('forbidden', 'forbidden');
  if (current.deleted || current.body === null) throw new GatewayError('deleted', 'deleted');
  return revision(current, {
    rev: current.rev,
    deleted: false,
    removed: false,
    body: current.body,
    attachments: current.metadata.attachments,
  });
}

/** As `readDocument` for each revision, or for all leaves; undefined for what is missing. */
export async function readRevisions(
  context: CollectionContext,
  {
    id,
    revs,
    reader: asked,
  }: { readonly id: DocId; readonly revs: readonly RevId[] | 'leaves'; readonly reader: Reader },
): Promise<readonly { readonly rev: RevId; readonly found: ReadRevision | undefined }[]> {
  const { current, reader } = await loadForReader(context, id, asked);
  const named = revs === 'leaves' ? current.metadata.tree.leaves().map((leaf) => leaf.rev) : revs;
  const found: { rev: RevId; found: ReadRevision | undefined }[] = [];
  for (const rev of named) {
    const known = current.metadata.tree.has(rev);
    found.push({
      rev,
      found: known ? await readRevision(context, current, { rev, reader }) : undefined,
    });
  }
  return found;
}

async function readRevision(
  context: CollectionContext,
  current: CurrentDocument,
  { rev, reader }: { readonly rev: RevId; readonly reader: Reader },
): Promise<ReadRevision> {
  const known = current.metadata.tree.get(rev);
  if (known === undefined) throw missing();
  const channels = rev === current.rev ? presentChannels(current.metadata) : (known.channels ?? []);
  const { deleted } = known;
  if (!mayRead(reader, context.id, channels))
    return revision(current, { rev, deleted, removed: !deleted, body: '{}', attachments: {} });
  const content = await revisionBody(context, current, rev);
  if (content === undefined) throw missing();
  return revision(current, { rev, deleted, removed: false, ...content });
}

interface RevisionParts {
  readonly rev: RevId;
  readonly deleted: boolean;
  readonly removed: boolean;
  readonly body: string;
  readonly attachments: Attachments;
}

function revision(current: CurrentDocument, parts: RevisionParts): ReadRevision {
  const { key: id, metadata, expiry } = current;
  return {
    id,
    rev: parts.rev,
    deleted: parts.deleted,
    removed: parts.removed,
    attachments: parts.attachments,
    descendsFrom: (rev) => metadata.tree.findAncestor(parts.rev, new Set([rev])) !== undefined,
    text: ({ revisions, showExpiry, attachmentForms } = {}) =>
      renderDocument({
        id,
        rev: parts.rev,
        body: parts.body,
        deleted: parts.deleted,
        removed: parts.removed,
        attachments: parts.attachments,
        attachmentForms,
        revisions: revisions && revisionsOf(metadata.tree, parts.rev, revisions),
        exp: showExpiry === true && parts.rev === current.rev ? expiry : 0,
      }),
  };
}

const missing = (): GatewayError => new GatewayError('missing', 'missing');
