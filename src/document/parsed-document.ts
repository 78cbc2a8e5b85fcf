import { GatewayError } from '../util/errors.ts';
import type { AttachmentsInput } from './attachments-input.ts';
import { parseAttachments } from './attachments-input.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Member, ScannedObject, ScanOptions } from './json-scanner.ts';
import { scanBulk, scanObject } from './json-scanner.ts';
import { sourceWithout } from './json-source.ts';
import { parseRevId } from './rev-id.ts';
import type { RevId } from './types.ts';

/** A document as a client sends it, with the reserved members taken out. */
export interface ParsedDocument {
  /** `_id`, not yet checked by `parseDocId`. */
  readonly id?: string;
  readonly rev?: RevId;
  readonly deleted: boolean;
  /**
   * The JSON value of `_exp`, for `parseExpiry`; null: it asks for none. Absent: it says nothing.
   */
  readonly expiry?: unknown;
  readonly revisions?: RevisionsInput;
  readonly attachments?: AttachmentsInput;
  /** JSON text without reserved members, order and spelling kept; on one line. */
  readonly body: string;
  /** What a revision id is the digest of. */
  readonly canonical: string;
}

/** `_revisions`: digests, the newest first; `start` is the generation of the first. */
export interface RevisionsInput {
  readonly start: number;
  readonly ids: readonly string[];
}

/** A body of `_bulk_docs`. */
export interface BulkInput {
  /** Each for `parseDocument`, which may refuse it without harm to the others. */
  readonly docs: readonly ScannedObject[];
  /** True where absent. */
  readonly newEdits: boolean;
}

/**
 * Takes a document apart: JSON text, or an element of `scanBulkDocs`. Throws `badRequest` where it
 * is not one JSON object, or a reserved member has a wrong form or must not be sent; `missing` for
 * `_removed`, as the reference does.
 */
export function parseDocument(
  input: string | ScannedObject,
  options: ScanOptions = {},
): ParsedDocument {
  const scanned = typeof input === 'string' ? scanObject(input, options) : input;
  const special = scanned.members.filter(({ key }) => key.startsWith('_'));
  if (special.length === 0) {
    return { deleted: false, body: bodyText(scanned), canonical: canonicalText(scanned) };
  }
  const parts: { -readonly [K in keyof ParsedDocument]?: ParsedDocument[K] } = {};
  for (const member of special) takeReserved(scanned.text, member, parts);
  return {
    deleted: false,
    ...parts,
    body: bodyText(scanned),
    canonical: canonicalText(scanned),
  };
}

/**
 * Takes the body of a `_bulk_docs` request apart. Throws `badRequest` where it has not that form.
 */
export function scanBulkDocs(text: string, options: ScanOptions = {}): BulkInput {
  const { docs, request } = scanBulk(text, options);
  if (docs === undefined) throw new GatewayError('badRequest', 'The member "docs" is missing');
  const newEdits = request.members.find(({ key }) => key === 'new_edits');
  if (newEdits === undefined) return { docs, newEdits: true };
  const value = valueOf(text, newEdits);
  if (typeof value !== 'boolean') {
    throw new GatewayError('badRequest', 'The member "new_edits" must be true or false');
  }
  return { docs, newEdits: value };
}

/**
 * The revision that a document brings along and its ancestors, the newest first: what a write with
 * `new_edits=false` inserts. Throws `badRequest` where it names none, or `_rev` and `_revisions`
 * contradict each other.
 */
export function historyOf(document: ParsedDocument): readonly RevId[] {
  const { rev, revisions } = document;
  if (revisions === undefined) {
    if (rev !== undefined) return [rev];
    throw new GatewayError('badRequest', 'A pushed revision needs _revisions or _rev');
  }
  const history = revisions.ids.map((id, index) => parseRevId(`${revisions.start - index}-${id}`));
  if (rev !== undefined && rev !== history[0]) {
    throw new GatewayError('badRequest', '_rev is not the first of _revisions');
  }
  return history;
}

type Parts = { -readonly [K in keyof ParsedDocument]?: ParsedDocument[K] };

function takeReserved(text: string, member: Member, parts: Parts): void {
  const { key } = member;
  switch (key) {
    case '_id':
      parts.id = stringOf(text, member);
      return;
    case '_rev':
      parts.rev = parseRevId(stringOf(text, member));
      return;
    case '_deleted': {
      const value = valueOf(text, member);
      if (typeof value !== 'boolean') throw refused(key, 'must be true or false');
      parts.deleted = value;
      return;
    }
    case '_exp':
      parts.expiry = valueOf(text, member);
      return;
    case '_revisions':
      parts.revisions = parseRevisions(valueOf(text, member));
      return;
    case '_attachments':
      parts.attachments = parseAttachments(valueOf(text, member));
      return;
    case '_removed':
      throw new GatewayError('missing', 'A removed revision cannot be written');
    default:
      if (key === '_purged' || isGatewaysOwn(key)) throw refused(key, 'is reserved');
  }
}

function parseRevisions(value: unknown): RevisionsInput {
  if (typeof value !== 'object' || value === null || !('start' in value) || !('ids' in value)) {
    throw refused('_revisions', 'must have the members start and ids');
  }
  const { start, ids } = value;
  if (!isStringArray(ids) || ids.length === 0) {
    throw refused('_revisions', 'must have an array of strings as ids');
  }
  // The oldest one has generation 1 or more.
  if (typeof start !== 'number' || !Number.isSafeInteger(start) || start < ids.length) {
    throw refused('_revisions', 'must have a start that is not less than the number of ids');
  }
  return { start, ids };
}

function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}

function bodyText(scanned: ScannedObject): string {
  return sourceWithout(scanned, (key) => key === '_deleted' || isNoPartOfBody(key));
}

/** protocol.md §10: `_deleted` is part of what is hashed, though not of the body. */
function canonicalText(scanned: ScannedObject): string {
  return canonicalJson(scanned, isNoPartOfBody);
}

const RESERVED: ReadonlySet<string> = new Set([
  '_id',
  '_rev',
  '_cv',
  '_revisions',
  '_exp',
  '_purged',
  '_removed',
  '_attachments',
]);

function isNoPartOfBody(key: string): boolean {
  return key.startsWith('_') && (RESERVED.has(key) || isGatewaysOwn(key));
}

function isGatewaysOwn(key: string): boolean {
  return key === '_sync' || key.startsWith('_sync_');
}

function stringOf(text: string, member: Member): string {
  const value = valueOf(text, member);
  if (typeof value !== 'string') throw refused(member.key, 'must be a string');
  return value;
}

function valueOf(text: string, member: Member): unknown {
  return JSON.parse(text.slice(member.valueStart, member.end));
}

function refused(key: string, why: string): GatewayError {
  return new GatewayError('badRequest', `The top-level property ${key} ${why}`);
}
