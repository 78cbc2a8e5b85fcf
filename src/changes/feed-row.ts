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
 * The row of a document as most are: of one revision that is there, in channels of the reader. What
 * it has in common with all such rows it need not hold: most feeds send its text and no more.
 */
class PlainRow implements FeedRow {
  readonly at: SequenceId;
  readonly id: string;
  readonly text: string;
  readonly #rev: RevId;

  constructor(at: SequenceId, { id, rev }: PlainParts, text: string) {
    this.at = at;
    this.id = id;
    this.text = text;
    this.#rev = rev;
  }

  get revs(): readonly RevId[] {
    return [this.#rev];
  }

  get deleted(): boolean {
    return false;
  }

  get removed(): readonly string[] {
    return NOTHING;
  }

  get gone(): boolean {
    return false;
  }

  get revoked(): boolean {
    return false;
  }
}

interface PlainParts {
  readonly id: string;
  readonly rev: RevId;
}

/** As `PlainRow`. `doc`: JSON text of the document, where it is wanted. */
export function makePlainRow(at: SequenceId, parts: PlainParts, doc: string | undefined): FeedRow {
  // Revision ids need no escapes: see `parseRevId`.
  const { id, rev } = parts;
  const begin = `{"seq":${sequenceJson(at)},"id":${quoteJson(id)}`;
  const text =
    doc === undefined
      ? `${begin},"changes":[{"rev":"${rev}"}]}`
      : `${begin},"doc":${doc},"changes":[{"rev":"${rev}"}]}`;
  return new PlainRow(at, parts, text);
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
