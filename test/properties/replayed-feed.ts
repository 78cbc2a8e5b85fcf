import assert from 'node:assert/strict';
import type { JsonValue } from '../helpers/http.ts';

export interface FeedRow {
  readonly seq: number | string;
  readonly id: string;
  readonly changes: readonly { readonly rev: string }[];
  readonly deleted?: boolean;
  readonly removed?: readonly string[];
  readonly revoked?: boolean;
  readonly doc?: Readonly<Record<string, JsonValue>>;
}

/**
 * What a client holds by what its feed told it, as Couchbase Lite does: it purges what was removed
 * or revoked.
 */
export class ReplayedFeed {
  /** Id → revision. */
  readonly held: Map<string, string>;
  /** Where it may go on. */
  since: number | string;

  constructor(
    at: { readonly held: ReadonlyMap<string, string>; readonly since: number | string } = {
      held: new Map(),
      since: 0,
    },
  ) {
    this.held = new Map(at.held);
    this.since = at.since;
  }

  /** Whether the row says that its reader is to have the document; its revision is held then. */
  take(row: FeedRow): boolean {
    this.since = row.seq;
    if (row.id.startsWith('_user/')) return false;
    const rev = row.changes[0]?.rev;
    assert(rev !== undefined, `a row without revision: ${JSON.stringify(row)}`);
    if (row.deleted === true || row.revoked === true || row.doc?.['_removed'] === true) {
      assertBare(row);
      this.held.delete(row.id);
      return false;
    }
    // It left some channels: without the document nothing says whether it is in others.
    if (row.removed !== undefined && row.doc === undefined) return false;
    const told = row.doc === undefined ? rev : row.doc['_rev'];
    assert.equal(told, rev, `the row's document is not its revision: ${JSON.stringify(row)}`);
    this.held.set(row.id, rev);
    return true;
  }
}

const MARKS = new Set(['_id', '_rev', '_deleted', '_removed']);

/** Nothing is told of a document that is gone but that (invariant 2). */
function assertBare(row: FeedRow): void {
  const more = Object.keys(row.doc ?? {}).filter((name) => !MARKS.has(name));
  assert.deepEqual(more, [], `the row of what is gone tells more: ${JSON.stringify(row)}`);
}
