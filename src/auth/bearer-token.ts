/** Longer ones are read no further: what signs and claims needs a few hundred characters. */
const TOKEN_LENGTH_MAX = 16_384;

/** Whether an `Authorization` header is of RFC 6750, right or wrong. */
export function isBearer(header: string): boolean {
  return /^Bearer(?: |$)/i.test(header);
}

/** The JSON Web Token of such a header, as yet unverified; undefined where it is malformed. */
export function bearerToken(header: string): string | undefined {
  if (header.length > TOKEN_LENGTH_MAX) return undefined;
  return /^Bearer ([-\w]+\.[-\w]+\.[-\w]+)$/i.exec(header)?.[1];
}
