/** How a database's session cookie is made: `session_cookie_…`, `same_site_cookie`. */
export interface CookieOptions {
  /** A token of RFC 6265. */
  readonly name: string;
  readonly database: string;
  /** Only over TLS. */
  readonly secure: boolean;
  /** Not for scripts. */
  readonly httpOnly: boolean;
  /** `Default` leaves it to the browser. */
  readonly sameSite: 'Default' | 'Lax' | 'Strict' | 'None';
}

/** The value of that cookie in a `Cookie` header; undefined where it is not there or empty. */
export function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    return value === '' ? undefined : value;
  }
  return undefined;
}

/** The `Set-Cookie` header that gives a client its session. `expires` in Unix seconds. */
export function sessionCookie(
  session: { readonly id: string; readonly expires: number },
  options: CookieOptions,
): string {
  return setCookie(session.id, session.expires, options);
}

/** The `Set-Cookie` header that makes a client forget its session. */
export function clearedSessionCookie(options: CookieOptions): string {
  return setCookie('', 0, options);
}

function setCookie(value: string, expires: number, options: CookieOptions): string {
  const attributes = [
    `${options.name}=${value}`,
    `Path=/${options.database}`,
    `Expires=${new Date(Math.min(expires * 1000, LATEST_MS)).toUTCString()}`,
  ];
  if (options.httpOnly) attributes.push('HttpOnly');
  if (options.sameSite !== 'Default') attributes.push(`SameSite=${options.sameSite}`);
  // NOTE: browsers refuse a SameSite=None cookie that is not Secure.
  if (options.secure || options.sameSite === 'None') attributes.push('Secure');
  return attributes.join('; ');
}

/** The end of 9999: what a cookie's date can say. */
const LATEST_MS = 253_402_300_799_000;
