import { GatewayError } from '../util/errors.ts';
import type { Digest } from './types.ts';

/** What a client said of the attachments of a new revision, by name. protocol.md §7.1. */
export type AttachmentsInput = Readonly<Record<string, AttachmentInput>>;

export type AttachmentInput = InlineAttachment | StubAttachment | FollowingAttachment;

interface AttachmentAbout {
  readonly content_type?: string;
  readonly encoding?: string;
}

/** The bytes were in the document. What it said of their digest and length counts for nothing. */
export interface InlineAttachment extends AttachmentAbout {
  readonly kind: 'data';
  readonly data: Uint8Array;
}

/** An attachment that the gateway has already. */
export interface StubAttachment extends AttachmentAbout {
  readonly kind: 'stub';
  readonly digest?: Digest;
  readonly revpos?: number;
  readonly length?: number;
}

/** The bytes are in a later part of the multipart request. */
export interface FollowingAttachment extends AttachmentAbout {
  readonly kind: 'follows';
  readonly digest: Digest;
  readonly length: number;
}

const DIGEST = /^sha1-[A-Za-z0-9+/]{27}=$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Reads the JSON value of `_attachments`. Throws `badRequest` that names the attachment. */
export function parseAttachments(value: unknown): AttachmentsInput {
  if (!isObject(value)) {
    throw new GatewayError('badRequest', '_attachments must be an object');
  }
  // Object.fromEntries: an attachment may be called `__proto__`.
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, parseAttachment(name, entry)]),
  );
}

function parseAttachment(name: string, entry: unknown): AttachmentInput {
  if (name === '') throw new GatewayError('badRequest', 'An attachment has an empty name');
  if (!isObject(entry)) throw refused(name, 'must be an object');
  const about = {
    ...optional('content_type', text(name, entry, 'content_type')),
    ...optional('encoding', text(name, entry, 'encoding')),
  };
  if (entry['data'] !== undefined) {
    return { kind: 'data', data: decode(name, entry['data']), ...about };
  }
  const digest = text(name, entry, 'digest');
  if (digest !== undefined && !DIGEST.test(digest)) throw refused(name, 'has an invalid digest');
  const length = natural(name, entry, 'length');
  if (entry['stub'] === true) {
    return {
      kind: 'stub',
      ...optional('digest', digest as Digest | undefined),
      ...optional('revpos', natural(name, entry, 'revpos')),
      ...optional('length', length),
      ...about,
    };
  }
  if (entry['follows'] === true) {
    if (digest === undefined) throw refused(name, 'follows, but has no digest');
    if (length === undefined) throw refused(name, 'follows, but has no length');
    return { kind: 'follows', digest: digest as Digest, length, ...about };
  }
  throw refused(name, 'has neither data nor stub nor follows');
}

/** Strict: whole groups of four, padded, nothing else. */
function decode(name: string, data: unknown): Uint8Array {
  if (typeof data !== 'string' || data.length % 4 !== 0 || !BASE64.test(data)) {
    throw refused(name, 'has data that is not base64');
  }
  return Buffer.from(data, 'base64');
}

function text(
  name: string,
  entry: Readonly<Record<string, unknown>>,
  member: string,
): string | undefined {
  const value = entry[member];
  if (value === undefined || typeof value === 'string') return value;
  throw refused(name, `has a ${member} that is not a string`);
}

function natural(
  name: string,
  entry: Readonly<Record<string, unknown>>,
  member: string,
): number | undefined {
  const value = entry[member];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw refused(name, `has a ${member} that is not a whole number`);
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

function refused(name: string, why: string): GatewayError {
  return new GatewayError('badRequest', `Attachment ${JSON.stringify(name)} ${why}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
