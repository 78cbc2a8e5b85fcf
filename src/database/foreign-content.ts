import { crc32 } from 'node:zlib';
import type { StoredDocument } from '../bucket/bucket.ts';
import { FOREIGN_BODY_BYTES_MAX } from '../bucket/foreign-writes.ts';
import { canonicalJson } from '../document/canonical-json.ts';
import { parseDocId } from '../document/doc-id.ts';
import { scanObject } from '../document/json-scanner.ts';
import { isGatewayError } from '../util/errors.ts';

/** What a stranger's write has made of a document, before anybody decides whether to take it in. */
export type ForeignContent =
  /** A first body, another one, or one over a tombstone. */
  | {
      readonly kind: 'body';
      /** JSON text, as the stranger wrote it. */
      readonly body: string;
      /** What the revision id is the digest of. */
      readonly canonical: string;
    }
  | { readonly kind: 'deletion' }
  /** The body is the one that the gateway wrote: its expiry at most is another one. */
  | { readonly kind: 'sameBody' }
  /** Nothing that can be a document; `reason` says what would have to be otherwise. */
  | { readonly kind: 'unfit'; readonly reason: string };

/** Whether somebody other than a gateway wrote it last. */
export function isForeign({ cas, metadata }: Pick<StoredDocument, 'cas' | 'metadata'>): boolean {
  return metadata === undefined || metadata.cas !== cas;
}

/** Pure. `bytesMax`: of a body as UTF-8. */
export function foreignContent(
  { key, body, foreignBody, metadata }: StoredDocument,
  { bytesMax }: { readonly bytesMax: number },
): ForeignContent {
  const why = unfitKey(key);
  if (why !== undefined) return unfit(why);
  if (foreignBody === 'too large')
    return unfit(tooLarge(Math.min(bytesMax, FOREIGN_BODY_BYTES_MAX)));
  if (foreignBody === 'not text') return unfit('the body is no text in UTF-8');
  if (body === null) return { kind: 'deletion' };
  if (metadata?.bodyCrc === crc32(body)) return { kind: 'sameBody' };
  if (isLonger(body, bytesMax)) return unfit(tooLarge(bytesMax));
  return ofText(body);
}

function ofText(body: string): ForeignContent {
  try {
    const scanned = scanObject(body);
    // NOTE: with such names clients tell the gateway what to do; what an application means by them
    // nobody knows.
    const reserved = scanned.members.find(({ key }) => key.startsWith('_'));
    if (reserved !== undefined)
      return unfit(`the property ${shown(reserved.key)} begins with an underscore`);
    return { kind: 'body', body, canonical: canonicalJson(scanned, () => false) };
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest', 'tooLarge')) throw cause;
    return unfit(`the body is no document: ${cause.message}`);
  }
}

function unfitKey(key: string): string | undefined {
  try {
    parseDocId(key);
    return undefined;
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    return `the key is no document id: ${cause.message}`;
  }
}

function isLonger(text: string, bytesMax: number): boolean {
  // A code unit takes at most three bytes: most texts need no count.
  return (
    text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)
  );
}

const SHOWN_MAX = 60;

function shown(name: string): string {
  return JSON.stringify(name.length > SHOWN_MAX ? `${name.slice(0, SHOWN_MAX)}…` : name);
}

const tooLarge = (bytesMax: number): string => `a document may have ${bytesMax} bytes`;

const unfit = (reason: string): ForeignContent => ({ kind: 'unfit', reason });
