import { GatewayError } from '../util/errors.ts';
import type { DocId } from './types.ts';

/** The longest document id, in bytes of UTF-8: what is left of a Couchbase key of that length. */
const DOC_ID_BYTES_MAX = 250;

/**
 * The one place where a string becomes a document id. Throws `badRequest` where it is empty, longer
 * than 250 bytes of UTF-8, begins with `_` (the gateway's own names), or is no well-formed Unicode.
 */
export function parseDocId(text: string): DocId {
  if (text === '') throw new GatewayError('badRequest', 'The document id is empty');
  if (text.startsWith('_')) {
    throw new GatewayError('badRequest', 'A document id must not begin with an underscore');
  }
  // A code unit takes at most three bytes: most ids need no count.
  if (text.length * 3 > DOC_ID_BYTES_MAX && Buffer.byteLength(text) > DOC_ID_BYTES_MAX) {
    throw new GatewayError(
      'badRequest',
      `A document id must not be longer than ${DOC_ID_BYTES_MAX} bytes`,
    );
  }
  if (!text.isWellFormed()) {
    throw new GatewayError('badRequest', 'The document id holds half of a surrogate pair');
  }
  if (text.includes('\0')) {
    // SQLite and PostgreSQL end or refuse a text there.
    throw new GatewayError('badRequest', 'A document id must not hold a NUL character');
  }
  return text as DocId;
}
