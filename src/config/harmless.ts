import { isDeepStrictEqual } from 'node:util';

/** Whether a group of a later version asks for nothing at all. */
export function isEmpty(json: unknown): boolean {
  return isDeepStrictEqual(json, {});
}

/** Whether it is switched off: `{}` or `{"enabled": false, …}`. */
export function isOff(json: unknown): boolean {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false;
  return !('enabled' in json) ? isEmpty(json) : json.enabled === false;
}
