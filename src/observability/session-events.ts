import { createHash } from 'node:crypto';
import type { Observer } from './events.ts';

/** What happens to sessions, as far as administrators look for it: one function for each. */

const SHOWN_DIGITS = 16;

/** A user has a new session. */
export function sessionCreated(observer: Observer, session: NamedSession): void {
  observer.audit?.tell('sessionCreated', fieldsOf(session), observer);
}

/** One was ended; `user`: whose it was, where that is known. */
export function sessionDeleted(observer: Observer, session: NamedSession): void {
  observer.audit?.tell('sessionDeleted', fieldsOf(session), observer);
}

/** All of a user were ended. */
export function sessionsDeleted(observer: Observer, user: string): void {
  observer.audit?.tell('sessionsDeleted', { username: user }, observer);
}

interface NamedSession {
  readonly id: string;
  readonly user?: string | undefined;
}

/** NOTE: who has the id of a session is let in by it: it is told by its hash. */
function fieldsOf({ id, user }: NamedSession): Readonly<Record<string, unknown>> {
  const hash = createHash('sha256').update(id).digest('hex').slice(0, SHOWN_DIGITS);
  return { session_id: hash, username: user };
}
