import { clearedSessionCookie, sessionCookie } from '../auth/cookies.ts';
import type { CookieOptions } from '../auth/cookies.ts';
import type { Database } from '../database/database.ts';
import type { Session } from '../principals/sessions.ts';

/** `Set-Cookie` for a session of this database. */
export function cookieOf(database: Database, session: Session): string {
  return sessionCookie(session, cookieOptions(database));
}

/** `Set-Cookie` that takes it away. */
export function clearedCookie(database: Database): string {
  return clearedSessionCookie(cookieOptions(database));
}

function cookieOptions({ name, config }: Database): CookieOptions {
  return {
    name: config.session_cookie_name,
    database: name,
    secure: config.session_cookie_secure,
    httpOnly: config.session_cookie_http_only,
    sameSite: config.unsupported.same_site_cookie,
  };
}
