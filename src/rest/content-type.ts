/** What an attachment says of its type, as far as it can stand in a header. */
export function safeContentType(contentType: string | undefined): string {
  if (contentType === undefined || contentType === '') return UNKNOWN_TYPE;
  return PRINTABLE.test(contentType) ? contentType : UNKNOWN_TYPE;
}

/**
 * Whether a browser would run what such a file holds, with the rights of this server's pages: those
 * are offered for download instead of shown.
 */
export function isInsecureType(contentType: string): boolean {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  return type === UNKNOWN_TYPE || INSECURE.has(type) || type.endsWith('+xml');
}

const UNKNOWN_TYPE = 'application/octet-stream';
const PRINTABLE = /^[\t\x20-\x7e]+$/;
const INSECURE: ReadonlySet<string> = new Set([
  'text/html',
  'text/xml',
  'application/xml',
  'text/xsl',
  'text/cache-manifest',
  'text/javascript',
  'application/javascript',
  'application/ecmascript',
  'multipart/x-mixed-replace',
]);

/** A file name in quotes, without anything that could end the quotes or the line. */
export function quotedName(name: string): string {
  return JSON.stringify(name);
}
