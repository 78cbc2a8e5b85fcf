import type { FeedRow } from '../changes/feed-row.ts';

/**
 * Rows as the lines of a continuous feed. What one feed is told the next is mostly told too, at the
 * same turn: so the last lines are kept, as bytes, for whoever wants the same rows.
 */
export class RowLines {
  #rows: readonly FeedRow[] = [];
  #bytes: Buffer = Buffer.alloc(0);

  of(rows: readonly FeedRow[]): Buffer {
    if (!sameTexts(rows, this.#rows)) {
      this.#bytes = Buffer.from(rows.map(({ text }) => `${text}\n`).join(''));
      // A large page is of one reader, who catches up.
      this.#rows = rows.length <= KEPT_ROWS_MAX ? rows : [];
    }
    return this.#bytes;
  }
}

const KEPT_ROWS_MAX = 200;

function sameTexts(some: readonly FeedRow[], others: readonly FeedRow[]): boolean {
  if (some.length !== others.length) return false;
  return some.every(({ text }, index) => text === others[index]?.text);
}
