/** RFC 7617, as strict as the reference: the scheme is spelled `Basic`, then base64 of UTF-8. */
export interface BasicCredentials {
  readonly name: string;
  /** May contain colons; may be empty. */
  readonly password: string;
}

/** Undefined where the header is malformed or of another scheme: the caller is then nobody. */
export function parseBasicCredentials(header: string): BasicCredentials | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = decodeUtf8(Buffer.from(encoded, 'base64'));
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 0) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // not UTF-8: malformed like any other
  }
}
