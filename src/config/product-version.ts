import { readFileSync } from 'node:fs';

/** The version of this product, from its package description. */
export function productVersion(): string {
  // NOTE: the same distance from src/config and, when built, from dist/config.
  const json: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  if (typeof json === 'object' && json !== null && 'version' in json) return String(json.version);
  throw new Error('bug: package.json has no version');
}
