import { crc32 } from 'node:zlib';
import { scanObject } from '../document/json-scanner.ts';
import { isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';

/**
 * The xattr that the sync function is given, as JSON text; undefined where none is configured, or
 * the document has none of that name. `xattrs`: all of the document, as applications keep them.
 */
function userXattr(
  { config }: Pick<CollectionContext, 'config'>,
  xattrs: string | null,
): string | undefined {
  const { user_xattr_key: name } = config;
  if (name === undefined || xattrs === null) return undefined;
  try {
    const { text, members } = scanObject(xattrs);
    const member = members.findLast(({ key }) => key === name);
    return member === undefined ? undefined : text.slice(member.valueStart, member.end);
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest', 'tooLarge')) throw cause;
    // What is no object has no xattrs.
    return undefined;
  }
}

/**
 * What is remembered of the xattr that a document is routed by; null: it has none; undefined: none
 * is configured.
 */
export function routedXattrCrc(
  context: Pick<CollectionContext, 'config'>,
  xattrs: string | null,
): number | null | undefined {
  if (context.config.user_xattr_key === undefined) return undefined;
  const xattr = userXattr(context, xattrs);
  return xattr === undefined ? null : crc32(xattr);
}

/** The third argument of the sync function, as JSON text. */
export function metaText(
  context: Pick<CollectionContext, 'config'>,
  xattrs: string | null,
): string {
  const xattr = userXattr(context, xattrs);
  if (xattr === undefined) return '{"xattrs":{}}';
  return `{"xattrs":{${JSON.stringify(context.config.user_xattr_key)}:${xattr}}}`;
}
