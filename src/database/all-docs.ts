import type { StoredDocument, StoredGrant } from '../bucket/bucket.ts';
import { BATCH_MAX, FLAG } from '../bucket/bucket.ts';
import { presentChannels } from '../document/channel-state.ts';
import { renderDocument } from '../document/render-document.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import { documentShown } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import { mayRead } from '../principals/access.ts';
import { nextTurn } from '../util/next-turn.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { currentDocument } from './current-document.ts';

export interface AllDocsOptions {
  readonly reader: Reader;
  /** Only these, in this order, each with a row; else all documents in the order of their ids. */
  readonly keys?: readonly string[] | undefined;
  /** The first id, inclusive. */
  readonly start?: string | undefined;
  /** The last id, inclusive. */
  readonly end?: string | undefined;
  /** The most rows. */
  readonly limit?: number | undefined;
  readonly includeDocs: boolean;
  /** Whether the grants of each document are wanted. */
  readonly access: boolean;
}

export type AllDocsRow =
  | {
      readonly kind: 'document';
      readonly id: DocId;
      readonly rev: RevId;
      readonly seq: Sequence;
      /** Those of the document's channels that the reader has; all for an administrator. */
      readonly channels: readonly string[];
      /** Channels that it grants, by user or `role:NAME`. */
      readonly access: Readonly<Record<string, readonly string[]>>;
      /** JSON text, where documents are wanted. */
      readonly doc: string | undefined;
    }
  | { readonly kind: 'refused'; readonly key: string; readonly why: 'missing' | 'forbidden' };

/**
 * Rows of living documents that the reader may see, a page at a time, as they are when their page
 * is read.
 */
export async function* allDocs(
  context: CollectionContext,
  options: AllDocsOptions,
): AsyncGenerator<readonly AllDocsRow[]> {
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  const pages =
    options.keys === undefined ? scanned(context, options) : named(context, options.keys);
  for await (const page of pages) {
    if (left <= 0) return;
    const rows: AllDocsRow[] = [];
    for (const { key, stored } of page) {
      if (left <= 0) break;
      const row = await rowOf(context, stored, { key, options });
      if (row.kind === 'refused' && options.keys === undefined) continue;
      rows.push(row);
      left--;
    }
    yield rows;
    await nextTurn();
  }
}

interface Found {
  readonly key: string;
  readonly stored: StoredDocument | undefined;
}

/** Bodies of a page are held in memory at once: small pages where they are wanted. */
const PAGE_WITH_BODIES = 100;
/** A page ends with the document that brings its bodies to so many characters. */
const PAGE_CHARS = 2 * 1024 * 1024;

async function* scanned(
  { bucket, id }: CollectionContext,
  { start, end, includeDocs, limit }: AllDocsOptions,
): AsyncGenerator<readonly Found[]> {
  const pageSize = Math.min(includeDocs ? PAGE_WITH_BODIES : BATCH_MAX, (limit ?? BATCH_MAX) + 1);
  let after: string | undefined;
  for (;;) {
    const page = await bucket.scan(id, {
      limit: pageSize,
      bodies: includeDocs,
      ...(includeDocs && { charsMax: PAGE_CHARS }),
      ...(start === undefined ? {} : { start }),
      ...(end === undefined ? {} : { end }),
      ...(after === undefined ? {} : { after }),
    });
    yield page.map((stored) => ({ key: stored.key, stored }));
    after = page.at(-1)?.key;
    const chars = page.reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
    if ((page.length < pageSize && chars < PAGE_CHARS) || after === undefined) return;
  }
}

async function* named(
  { bucket, id }: CollectionContext,
  keys: readonly string[],
): AsyncGenerator<readonly Found[]> {
  for (let from = 0; from < keys.length; from += PAGE_WITH_BODIES) {
    const some = keys.slice(from, from + PAGE_WITH_BODIES);
    // A key that is no document id is simply not there.
    const stored = await bucket.getMany(
      id,
      some.map((key) => key as DocId),
    );
    yield some.map((key, index) => ({ key, stored: stored[index] }));
  }
}

async function rowOf(
  context: CollectionContext,
  stored: StoredDocument | undefined,
  { key, options }: { readonly key: string; readonly options: AllDocsOptions },
): Promise<AllDocsRow> {
  // What an application wrote over a hidden one is refused: clients see no such document.
  if (stored?.metadata === undefined || (stored.metadata.flags & FLAG.hidden) !== 0)
    return { kind: 'refused', key, why: 'missing' };
  const current = currentDocument(stored, stored.metadata);
  const channels = presentChannels(current.metadata);
  const { reader } = options;
  if (!mayRead(reader, context.id, channels)) return { kind: 'refused', key, why: 'forbidden' };
  if (current.deleted) return { kind: 'refused', key, why: 'missing' };
  // What a stranger wrote over it is not taken in: this revision has no body any more.
  const doc = options.includeDocs && !current.isOverwritten ? textOf(current) : undefined;
  if (doc !== undefined) documentShown(context.observer, { id: current.key, rev: current.rev });
  return {
    kind: 'document',
    id: current.key,
    rev: current.rev,
    seq: current.seq,
    channels: channels.filter((channel) => mayRead(reader, context.id, [channel])),
    access: options.access ? await accessOf(context, current) : {},
    doc,
  };
}

function textOf(current: CurrentDocument): string {
  const { key: id, rev, body, metadata } = current;
  return renderDocument({ id, rev, body: body ?? '{}', attachments: metadata.attachments });
}

async function accessOf(
  context: CollectionContext,
  { key, metadata }: CurrentDocument,
): Promise<Readonly<Record<string, readonly string[]>>> {
  if (!metadata.grantsPresent) return {};
  const byName = new Map<string, string[]>();
  for (const grant of await context.bucket.grantsOf(context.id, key)) {
    if (grant.kind !== 'channel') continue;
    const name = grantedTo(grant);
    byName.set(name, [...(byName.get(name) ?? []), grant.target]);
  }
  return Object.fromEntries(byName);
}

function grantedTo({ principal }: StoredGrant): string {
  return principal.startsWith('user:') ? principal.slice('user:'.length) : principal;
}
