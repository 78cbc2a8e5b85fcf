import type { Answer } from './answer.ts';

const MOVED_PERMANENTLY = 301;

/**
 * The path with the slash at its end that it lacks, or without the one that it has, and its query.
 * `target` is what the request line says: it begins with one slash, so the redirect stays here.
 */
export function redirectTo(target: string): Answer {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const moved = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
  // A browser reads a backslash as a slash, and two of them as another host.
  const location = (mark < 0 ? moved : moved + target.slice(mark)).replaceAll('\\', '%5C');
  return {
    status: MOVED_PERMANENTLY,
    headers: { Location: location },
    body: {
      kind: 'text',
      contentType: 'text/html; charset=utf-8',
      text: `<a href="${escapeHtml(location)}">Moved Permanently</a>.\n\n`,
    },
  };
}

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
