import type { FeedRow } from '../changes/feed-row.ts';
import { HttpChunk } from './http-chunk.ts';

/**
 * Rows as bytes for the wire. What one feed is told the next is mostly told too, at the same turn:
 * so the last ones are kept for whoever wants the same rows.
 */
export class SharedRows {
  readonly #form: (rows: readonly FeedRow[]) => string;
  #rows: readonly FeedRow[] = [];
  #chunk = new HttpChunk('');

  constructor(form: (rows: readonly FeedRow[]) => string) {
    this.#form = form;
  }

  of(rows: readonly FeedRow[]): HttpChunk {
    if (!sameTexts(rows, this.#rows)) {
      this.#chunk = new HttpChunk(this.#form(rows));
      // A large page is of one reader, who catches up.
      this.#rows = rows.length <= KEPT_ROWS_MAX ? rows : [];
    }
    return this.#chunk;
  }
}

/** The lines of a continuous feed. */
export function asLines(rows: readonly FeedRow[]): string {
  return rows.map(({ text }) => `${text}\n`).join('');
}

/** A message of a WebSocket. */
export function asArray(rows: readonly FeedRow[]): string {
  return `[${rows.map(({ text }) => text).join(',\n')}]`;
}

const KEPT_ROWS_MAX = 200;

function sameTexts(some: readonly FeedRow[], others: readonly FeedRow[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  return some.every(({ text }, index) => text === others[index]?.text);
}
