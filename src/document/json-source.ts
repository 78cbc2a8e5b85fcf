import type { ScannedObject, Span } from './json-scanner.ts';

/**
 * The text of an object without the top-level members whose names `skip` is true for: the others in
 * their order, spelled as they were, without white space between tokens (a row of a continuous
 * feed is a line) and without members that a later one of the same key replaces.
 */
export function sourceWithout(scanned: ScannedObject, skip: (key: string) => boolean): string {
  const { text, members } = scanned;
  let kept = '';
  // Members side by side are taken in one piece.
  let from = -1;
  let to = -1;
  const take = (): void => {
    if (from !== -1) kept += (kept === '' ? '{' : ',') + piece(scanned, { start: from, end: to });
    from = -1;
  };
  for (const member of members) {
    if (skip(member.key)) {
      take();
      continue;
    }
    if (from !== -1 && !follows(text, to, member.start)) take();
    if (from === -1) from = member.start;
    to = member.end;
  }
  take();
  return kept === '' ? '{}' : `${kept}}`;
}

/** Whether there is only a comma between two members: nothing skipped or replaced. */
function follows(text: string, end: number, start: number): boolean {
  return start === end + 1 || text.slice(end, start).trim() === ',';
}

function piece(scanned: ScannedObject, span: Span): string {
  const source =
    scanned.replaced.length === 0
      ? scanned.text.slice(span.start, span.end)
      : cut(scanned.text, span, scanned.replaced);
  return scanned.hasSpace ? compact(source) : source;
}

/** The span without those parts of it. */
function cut(text: string, span: Span, parts: readonly Span[]): string {
  let left = '';
  let at = span.start;
  for (const part of parts.toSorted((a, b) => a.start - b.start)) {
    // A part within one that is cut already, or outside.
    if (part.start < at || part.end > span.end) continue;
    left += text.slice(at, part.start);
    at = part.end;
  }
  return left + text.slice(at, span.end);
}

/** JSON text without the white space between its tokens. */
function compact(text: string): string {
  let left = '';
  let from = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) inString = !inString;
    else if (inString) {
      if (code === 0x5c) at++;
    } else if (code <= 0x20) {
      left += text.slice(from, at);
      from = at + 1;
    }
  }
  return from === 0 ? text : left + text.slice(from);
}
