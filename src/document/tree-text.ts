import { GatewayError } from '../util/errors.ts';
import type { Run } from './revision-runs.ts';
import type { KeptBody, Revision, RevisionTree } from './revision-tree.ts';
import type { Digest, RevId } from './types.ts';
import { sequence } from './types.ts';

/**
 * The compact form of a revision tree in a document's metadata.
 *
 * `tree` is a list of runs (`revision-runs.ts`) separated by ` | `. A run is a generation, then its
 * revisions from that one down, each a generation lower, separated by spaces; a run that ends where
 * another one goes on, or where generations are skipped, ends with `@` and that revision's id.
 * A revision is `FLAGS-DIGEST`, where FLAGS are, in this order: `!` it is deleted; `*` its channels
 * are the document's present ones, or the number of its channel set; `b` its body is kept, with
 * the expiry in base 36 (nothing for 0) and, where it is known, a dot and the sequence at which it
 * was written, in base 36.
 *
 *     3 *-c8ec… 0b3k9f2.2s-7e80… 0-7872… | 3 !-d7c1… @2-7e80…
 */
export interface TreeText {
  readonly tree: string;
  /** Channel sets other than the present one, by number. */
  readonly sets: readonly (readonly string[])[];
  /** Attachments of kept bodies, by revision. */
  readonly files: Readonly<Record<string, readonly Digest[]>>;
}

const AT = 0x40;
const STAR = 0x2a;
const EXCLAMATION = 0x21;
const LETTER_B = 0x62;

/** `present`: the channels that the document is in, which most revisions share. */
export function formatTree(tree: RevisionTree, present: readonly string[]): TreeText {
  const sets = new ChannelSets(present);
  let files: Record<string, readonly Digest[]> | undefined;
  let text = '';
  for (const { top, line } of tree.runs) {
    text += text === '' ? String(top) : ` | ${top}`;
    let parent: RevId | undefined;
    for (const revision of line) {
      const { rev, channels, keptBody } = revision;
      text += revision.deleted ? ' !' : ' ';
      if (channels !== undefined) text += sets.token(channels);
      if (keptBody !== undefined) {
        text += formatKept(keptBody);
        if (keptBody.digests.length > 0) (files ??= {})[rev] = keptBody.digests;
      }
      text += rev.slice(rev.indexOf('-'));
      ({ parent } = revision);
    }
    if (parent !== undefined) text += ` @${parent}`;
  }
  return { tree: text, sets: sets.others, files: files ?? NO_FILES };
}

/** How a tree tells channel sets. Most trees have the present one alone. */
class ChannelSets {
  /** Those beside the present one, by number. */
  readonly others: (readonly string[])[] = [];
  readonly #present: readonly string[];
  /** By key, and by array: revisions that were read from one text share theirs. */
  #tokens: Map<string | readonly string[], string> | undefined;

  constructor(present: readonly string[]) {
    this.#present = present;
  }

  token(channels: readonly string[]): string {
    const known = this.#tokens?.get(channels);
    if (known !== undefined) return known;
    if (this.#tokens === undefined && isSameList(channels, this.#present)) return '*';
    this.#tokens ??= new Map([[setKey(this.#present), '*']]);
    const key = setKey(channels);
    let token = this.#tokens.get(key);
    if (token === undefined) {
      token = String(this.others.push(channels) - 1);
    }
    this.#tokens.set(key, token).set(channels, token);
    return token;
  }
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function formatKept({ expiry, seq }: KeptBody): string {
  const text = expiry === 0 ? 'b' : `b${expiry.toString(36)}`;
  return seq === undefined ? text : `${text}.${seq.toString(36)}`;
}

/** How a stored tree is laid out. Throws `corrupt` where it has not the form of `formatTree`. */
export function parseTree(text: TreeText, present: readonly string[]): readonly Run[] {
  return text.tree.split(' | ').map((run) => {
    const parts = run.split(' ');
    const top = Number(parts[0]);
    // From the oldest: so each knows its parent.
    let last = parts.length - 1;
    let parent: RevId | undefined;
    if (parts[last]?.charCodeAt(0) === AT) parent = parts[last--]?.slice(1) as RevId;
    if (!Number.isSafeInteger(top) || last < 1 || top < last) throw corrupt(run);
    const line: Revision[] = [];
    for (let at = last; at >= 1; at--) {
      const generation = top + 1 - at;
      const revision = readRevision(parts[at] ?? '', { generation, parent, text, present });
      line.push(revision);
      parent = revision.rev;
    }
    return { top, line: line.reverse() };
  });
}

interface Place {
  readonly generation: number;
  readonly parent: RevId | undefined;
  readonly text: TreeText;
  readonly present: readonly string[];
}

function readRevision(token: string, place: Place): Revision {
  const dash = token.indexOf('-');
  if (dash === -1) throw corrupt(token);
  const { generation, parent, text, present } = place;
  const rev = `${generation}${token.slice(dash)}` as RevId;
  const deleted = token.charCodeAt(0) === EXCLAMATION;
  let at = deleted ? 1 : 0;
  let channels: readonly string[] | undefined;
  if (token.charCodeAt(at) === STAR) {
    channels = present;
    at++;
  } else {
    const from = at;
    while (isDigit(token.charCodeAt(at))) at++;
    if (at > from) {
      channels = text.sets[Number(token.slice(from, at))];
      if (!isTexts(channels)) throw corrupt(token);
    }
  }
  if (at === dash) return { rev, parent, deleted, channels, keptBody: undefined };
  if (token.charCodeAt(at) !== LETTER_B) throw corrupt(token);
  const digests = text.files === NO_FILES ? NO_DIGESTS : digestsOf(text, rev);
  const keptBody = readKept(token, { from: at + 1, end: dash }, digests);
  return { rev, parent, deleted, channels, keptBody };
}

/** The part of the token from `from` to `end`. */
function readKept(
  token: string,
  { from, end }: { readonly from: number; readonly end: number },
  digests: readonly Digest[],
): KeptBody {
  const dot = token.indexOf('.', from);
  const hasSeq = dot !== -1 && dot < end;
  const until = hasSeq ? dot : end;
  const expiry = until === from ? 0 : Number.parseInt(token.slice(from, until), 36);
  if (!Number.isSafeInteger(expiry)) throw corrupt(token);
  if (!hasSeq) return { expiry, digests };
  const seq = Number.parseInt(token.slice(dot + 1, end), 36);
  if (!Number.isSafeInteger(seq)) throw corrupt(token);
  return { expiry, digests, seq: sequence(seq) };
}

/** For a text without any: looking a revision up by its id costs more than reading it. */
export const NO_FILES: TreeText['files'] = {};
const NO_DIGESTS: readonly Digest[] = [];

function digestsOf({ files }: TreeText, rev: RevId): readonly Digest[] {
  if (typeof files !== 'object' || files === null) throw corrupt(rev);
  const digests = Object.hasOwn(files, rev) ? files[rev] : NO_DIGESTS;
  if (!isTexts(digests)) throw corrupt(rev);
  return digests;
}

const isTexts = <T extends string>(value: readonly T[] | undefined): value is readonly T[] =>
  Array.isArray(value) && value.every((element) => typeof element === 'string');

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function setKey(channels: readonly string[]): string {
  if (channels.length === 0) return '[]';
  return channels.length === 1 ? JSON.stringify(channels) : JSON.stringify(channels.toSorted());
}

function corrupt(part: string): GatewayError {
  return new GatewayError('corrupt', 'The stored revision tree of a document is unreadable', {
    details: { part: part.slice(0, 80) },
  });
}
