import type { IncomingHttpHeaders } from 'node:http';

export const etagOf = (version: string): string => `"${version}"`;

/** Which versions the request's `If-Match` lets it change; without one, every version. */
export function ifMatch(headers: IncomingHttpHeaders): (version: string) => boolean {
  const header = headers['if-match']?.trim();
  if (header === undefined || header === '' || header === '*') return () => true;
  // NOTE: the tags of the reference are sent back without their quotes too.
  const tags = new Set(header.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1')));
  return (version) => tags.has(version);
}
