import { FLAG } from '../bucket/bucket.ts';
import { renderDocument } from '../document/render-document.ts';
import { parseMetadata } from '../document/sync-metadata.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import { makePlainRow, makeRow, type FeedRow } from './feed-row.ts';
import type { SequenceId } from './sequence-id.ts';

/** What a reader wants to see of each row. */
export interface RowStyle {
  /** All leaf revisions, or the winner alone. */
  readonly allLeaves: boolean;
  /** No tombstones and no removals. */
  readonly activeOnly: boolean;
  readonly includeDocs: boolean;
}

/** A document as a row of the channel index or the bucket has it. */
export interface RowSource {
  readonly seq: Sequence;
  readonly key: DocId;
  readonly rev: RevId;
  readonly flags: number;
  readonly body: string | null;
  /** Only with the current state of the document. */
  readonly metadata?: string | undefined;
}

export interface RowMarks {
  readonly removed: readonly string[];
  readonly gone: boolean;
  readonly revoked: boolean;
}

export const UNMARKED: RowMarks = { removed: [], gone: false, revoked: false };

/**
 * Stands in every metadata text with attachments: most have none, and need not be parsed (2 µs a
 * row). Where it stands for something else, the text is parsed in vain.
 */
const ATTACHMENTS = '"att":';
const BRANCHES = FLAG.conflict | FLAG.branched;

/** The row; undefined where the style leaves it out. */
export function rowOf(
  source: RowSource,
  at: SequenceId,
  options: { readonly style: RowStyle; readonly marks: RowMarks },
): FeedRow | undefined {
  const { style, marks } = options;
  const deleted = (source.flags & FLAG.deleted) !== 0;
  if (style.activeOnly && (deleted || marks.gone)) return undefined;
  const doc = style.includeDocs ? docOf(source, deleted, marks) : undefined;
  const { key: id, rev } = source;
  const isOneRev = !style.allLeaves || (source.flags & BRANCHES) === 0;
  if (marks === UNMARKED && !deleted && isOneRev) return makePlainRow(at, { id, rev }, doc);
  const revs = isOneRev ? [rev] : leavesOf(source, marks);
  return makeRow({ at, id, deleted, revs, doc, ...marks });
}

/** The winner first. A row of a past state tells that state's revision alone. */
function leavesOf(source: RowSource, marks: RowMarks): readonly RevId[] {
  const { metadata, rev, seq } = source;
  if (metadata === undefined || marks.gone) return [rev];
  return parseMetadata(metadata, seq)
    .tree.leaves()
    .map((leaf) => leaf.rev);
}

/**
 * Undefined where the body is not there: a stranger wrote another one, which is not imported yet.
 */
function docOf(source: RowSource, deleted: boolean, marks: RowMarks): string | undefined {
  const { key: id, rev, body, metadata, seq } = source;
  if (deleted) return renderDocument({ id, rev, body: '{}', deleted });
  if (marks.gone || marks.revoked) return renderDocument({ id, rev, body: '{}', removed: true });
  if (body === null) return undefined;
  if (metadata?.includes(ATTACHMENTS) !== true) return renderDocument({ id, rev, body });
  return renderDocument({ id, rev, body, attachments: parseMetadata(metadata, seq).attachments });
}
