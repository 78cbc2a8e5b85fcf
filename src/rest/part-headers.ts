import { GatewayError } from '../util/errors.ts';

/** Headers of a part of a multipart body (RFC 2046 §5.1), or of the request: what they say. */
export type PartHeaders = ReadonlyMap<string, string>;

const HEADERS_MAX = 32;
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** RFC 2046 §5.1.1: 1 to 70 characters, no space at the end. */
const BOUNDARY = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The lines between a boundary and the empty line, names in lower case. Throws `badRequest`. */
export function parsePartHeaders(block: Uint8Array): PartHeaders {
  const headers = new Map<string, string>();
  const text = decoded(block);
  if (text === '') return headers;
  // A line that begins with a space goes on the one before it (RFC 5322 §2.2.3).
  const lines = text.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n');
  if (lines.length > HEADERS_MAX) throw malformed(`a part has more than ${HEADERS_MAX} headers`);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!NAME.test(name)) throw malformed('a header of a part has no name');
    if (headers.has(name)) throw malformed('a header of a part stands twice');
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** The boundary that a Content-Type names. Throws `badRequest` where it names none. */
export function boundaryOf(contentType: string): string {
  const boundary = parametersOf(contentType).get('boundary');
  if (boundary === undefined) throw malformed('the Content-Type has no boundary');
  if (!BOUNDARY.test(boundary)) throw malformed('the boundary of the Content-Type is not valid');
  return boundary;
}

/** The file name of a Content-Disposition; undefined where it has none. Throws `badRequest`. */
export function fileNameOf(disposition: string | undefined): string | undefined {
  if (disposition === undefined) return undefined;
  const parameters = parametersOf(disposition);
  const extended = parameters.get('filename*');
  return extended === undefined ? parameters.get('filename') : extendedValue(extended);
}

const PARAMETER = /\s*;\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/sy;
const END = /^\s*;?\s*$/;

/** `value; name=token; name="quoted"`. Throws `badRequest` for what has not that form. */
function parametersOf(header: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const semicolon = header.indexOf(';');
  if (semicolon < 0) return parameters;
  let at = semicolon;
  for (;;) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(header);
    if (match === null) break;
    const [whole, name = '', quoted, token = ''] = match;
    const key = name.toLowerCase();
    if (parameters.has(key)) throw malformed('a parameter of a header stands twice');
    parameters.set(key, quoted === undefined ? token : quoted.replaceAll(/\\(.)/gs, '$1'));
    at += whole.length;
  }
  if (!END.test(header.slice(at))) throw malformed('a header has malformed parameters');
  return parameters;
}

/** RFC 8187: `UTF-8''percent-encoded`. */
function extendedValue(value: string): string {
  const encoded = /^utf-8'[\w-]*'(.*)$/i.exec(value)?.[1];
  if (encoded === undefined) throw malformed('the file name of a part is not in UTF-8');
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw malformed('the file name of a part is not percent-encoded UTF-8', cause);
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw malformed('the headers of a part are not UTF-8', cause);
  }
}

const malformed = (why: string, cause?: unknown): GatewayError =>
  new GatewayError('badRequest', `malformed multipart body: ${why}`, { cause });
