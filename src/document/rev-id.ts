import { hash } from 'node:crypto';
import { GatewayError } from '../util/errors.ts';
import type { RevId } from './types.ts';

/**
 * `generation-digest`. The digest is opaque (MD5 from a gateway, SHA-1 from Couchbase Lite,
 * anything from elsewhere), but printable ASCII without `"` and `\`: so a revision id goes into
 * JSON text, an ETag and the text of a revision tree as it is.
 */
const REV_ID = /^[1-9][0-9]{0,14}-[!#-[\]-~]{1,200}$/;

const ZERO = 0x30;

/**
 * The one place where a string from outside becomes a revision id; `badRequest` where it is none.
 */
export function parseRevId(text: string): RevId {
  if (!REV_ID.test(text)) {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    throw new GatewayError('badRequest', `Invalid revision id: ${JSON.stringify(shown)}`);
  }
  return text as RevId;
}

/** The number before the dash: 1 for a first revision. */
export function generationOf(rev: RevId): number {
  let generation = 0;
  for (let at = 0; ; at++) {
    const digit = rev.charCodeAt(at) - ZERO;
    // The dash comes before the digits.
    if (!(digit >= 0)) return generation;
    generation = generation * 10 + digit;
  }
}

/** What follows the dash. */
export function digestOf(rev: RevId): string {
  return rev.slice(rev.indexOf('-') + 1);
}

/**
 * The id of a revision that the gateway makes: protocol.md §10,
 * `generation-MD5( byte(length of parent) parent canonical )`.
 */
export function createRevId(parent: RevId | undefined, canonical: string): RevId {
  const from = parent ?? '';
  const generation = parent === undefined ? 1 : generationOf(parent) + 1;
  return `${generation}-${hash('md5', digestInput(from, canonical), 'hex')}` as RevId;
}

function digestInput(parent: string, canonical: string): string | Buffer {
  // Below 128 the length byte is its own UTF-8, and one string can be hashed as it is.
  if (parent.length < 128) return String.fromCharCode(parent.length) + parent + canonical;
  return Buffer.concat([Buffer.of(parent.length & 255), Buffer.from(parent + canonical)]);
}

/** Orders by generation, then by digest as a string: the higher one wins among equals in state. */
export function compareRevIds(a: RevId, b: RevId): number {
  const byGeneration = generationOf(a) - generationOf(b);
  if (byGeneration !== 0) return byGeneration;
  const digestA = digestOf(a);
  const digestB = digestOf(b);
  if (digestA === digestB) return 0;
  return digestA < digestB ? -1 : 1;
}
