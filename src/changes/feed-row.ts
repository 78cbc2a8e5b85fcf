import { quoteJson } from '../document/quote-json.ts';
import type { RevId } from '../document/types.ts';
import { sequenceJson, type SequenceId } from './sequence-id.ts';

/** A row of a feed. */
export interface FeedRow {
  /** Where the reader stands once it has this row. */
  readonly at: SequenceId;
  /** The document's id, or `_user/NAME`. */
  readonly id: string;
  /** The winner first; none for the row of a user. */
  readonly revs: readonly RevId[];
  readonly deleted: boolean;
  /** Channels of the reader that the document left with this change. */
  readonly removed: readonly string[];
  /** It left all of them: none of the reader's channels holds it. */
  readonly gone: boolean;
  /** The reader lost the channel through which it saw the document. */
  readonly revoked: boolean;
  /** The row as JSON text, members in the recorded order. */
  readonly text: string;
}

export interface RowParts extends Omit<FeedRow, 'text'> {
  /** JSON text of the document, where it is wanted. */
  readonly doc?: string | undefined;
}

const NOTHING: readonly string[] = [];

export function makeRow(parts: RowParts): FeedRow {
  const { at, id, revs, deleted, removed, gone, revoked } = parts;
  let text = `{"seq":${sequenceJson(at)},"id":${quoteJson(id)}`;
  if (deleted) text += ',"deleted":true';
  if (removed.length > 0) text += `,"removed":${JSON.stringify(removed)}`;
  if (parts.doc !== undefined) text += `,"doc":${parts.doc}`;
  // Revision ids need no escapes: see `parseRevId`.
  const changes = revs.map((rev) => `{"rev":"${rev}"}`).join(',');
  text += revoked ? `,"changes":[${changes}],"revoked":true}` : `,"changes":[${changes}]}`;
  return { at, id, revs, deleted, removed, gone, revoked, text };
}

/**
 * The row of a document as most are: of one revision that is there, in channels of the reader.
 * `doc`: JSON text of the document, where it is wanted.
 */
export function makePlainRow(
  at: SequenceId,
  { id, rev }: { readonly id: string; readonly rev: RevId },
  doc: string | undefined,
): FeedRow {
  const begin = `{"seq":${sequenceJson(at)},"id":${quoteJson(id)},`;
  // Revision ids need no escapes: see `parseRevId`.
  const text =
    doc === undefined
      ? `${begin}"changes":[{"rev":"${rev}"}]}`
      : `${begin}"doc":${doc},"changes":[{"rev":"${rev}"}]}`;
  return {
    at,
    id,
    revs: [rev],
    deleted: false,
    removed: NOTHING,
    gone: false,
    revoked: false,
    text,
  };
}

/** The row that tells a user of a change of its own record; the guest's name is ``. */
export function makeUserRow(at: SequenceId, name: string): FeedRow {
  const id = `_user/${name === '' ? 'GUEST' : name}`;
  return makeRow({
    at,
    id,
    revs: [],
    deleted: false,
    removed: NOTHING,
    gone: false,
    revoked: false,
  });
}
