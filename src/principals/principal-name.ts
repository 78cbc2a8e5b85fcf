import type { PrincipalKey } from '../bucket/bucket.ts';

/** What the REST API calls the guest; inside, its name is ``. */
export const GUEST = 'GUEST';

/** As in the reference: a key of 250 bytes less `_sync:user:`. */
const NAME_BYTES_MAX = 239;

/**
 * Whether a text may name a user or role: not empty, none of `:` (it ends the name in Basic
 * credentials), `,` and `` ` ``, no control characters, well-formed Unicode, at most NAME_BYTES_MAX
 * bytes of UTF-8. Spaces, `@`, `.`, `/` and letters of all scripts are fine.
 */
export function isValidPrincipalName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX || !name.isWellFormed()) return false;
  if (/[:,`\p{Cc}]/u.test(name)) return false;
  return new TextEncoder().encode(name).length <= NAME_BYTES_MAX;
}

/** `name` is `` for the guest. */
export function userKey(name: string): PrincipalKey {
  return `user:${name}`;
}

/** `name` without `role:`. */
export function roleKey(name: string): PrincipalKey {
  return `role:${name}`;
}

/** The name in a key: without `user:` or `role:`. */
export function nameOf(key: PrincipalKey): string {
  return key.slice(key.indexOf(':') + 1);
}
