import type { Member, ScannedObject } from './json-scanner.ts';
import { memberText } from './json-scanner.ts';

/**
 * The canonical form of an object without the top-level members whose names `skipTopLevel` is true
 * for: what revision ids are digests of. protocol.md §10: no white space, keys in the order of
 * their UTF-8 bytes, the last of equal keys, numbers as the client spelled them, one spelling of
 * strings.
 */
export function canonicalJson(
  scanned: ScannedObject,
  skipTopLevel: (key: string) => boolean,
): string {
  if (scanned.isCanonical && !scanned.members.some(({ key }) => skipTopLevel(key))) {
    return scanned.text.slice(scanned.start, scanned.end);
  }
  const kept: Member[] = scanned.sorted.filter(({ key }) => !skipTopLevel(key));
  if (kept.length === 0) return '{}';
  let canonical = '';
  for (const member of kept) {
    canonical += (canonical === '' ? '{' : ',') + memberText(scanned.text, member);
  }
  return `${canonical}}`;
}
