import assert from 'node:assert/strict';
import { request, type JsonValue } from '../helpers/http.ts';
import { SocketFeed } from '../helpers/socket-feed.ts';

interface FeedRow {
  readonly seq: number | string;
  readonly id: string;
  readonly changes: readonly { readonly rev: string }[];
  readonly deleted?: boolean;
  readonly removed?: readonly string[];
  readonly revoked?: boolean;
  readonly doc?: {
    readonly _rev: string;
    readonly _removed?: boolean;
    readonly channels?: JsonValue;
  };
}

/** The ways in which a feed is sent. */
export const FEED_KINDS = ['normal', 'longpoll', 'continuous', 'websocket'] as const;
export type FeedKind = (typeof FEED_KINDS)[number];

interface Reading {
  readonly limit: number;
  readonly feed: FeedKind;
}

/**
 * A client as Couchbase Lite is one: keeps what its feed tells it, purges what was removed or
 * revoked, and goes on from its last sequence.
 */
export class FeedClient {
  readonly user: string;
  readonly #keyspace: string;
  /** Id → revision of what the client holds. */
  readonly held = new Map<string, string>();
  since: number | string = 0;

  constructor(keyspace: string, user: string) {
    this.#keyspace = keyspace;
    this.user = user;
  }

  /**
   * Reads the feed from where it stopped to its end, in requests of at most `limit` rows, and gives
   * each row's document to `judge` (which fails where the reader may not see it).
   */
  async follow(options: Reading, judge: (id: string, rev: string) => void): Promise<void> {
    for (;;) {
      const rows = await this.#read(options);
      for (const row of rows) this.#apply(row, judge);
      if (rows.length < options.limit) return;
    }
  }

  async #read({ limit, feed }: Reading): Promise<readonly FeedRow[]> {
    if (feed === 'websocket') return this.#readSocket(limit);
    const query = new URLSearchParams({
      since: String(this.since),
      limit: String(limit),
      feed,
      timeout: '50',
      include_docs: 'true',
      revocations: 'true',
    });
    const answer = await request('GET', `${this.#keyspace}/_changes?${query}`, {
      as: `${this.user}:letmein`,
    });
    assert.equal(answer.status, 200, answer.text);
    if (feed === 'continuous') {
      const lines = answer.text.split('\n').filter((line) => line.trim() !== '');
      const rows = lines.map((line) => JSON.parse(line) as FeedRow);
      this.since = rows.at(-1)?.seq ?? this.since;
      return rows;
    }
    const body = answer.json as unknown as { results: FeedRow[]; last_seq: number | string };
    this.since = body.last_seq;
    return body.results;
  }

  async #readSocket(limit: number): Promise<readonly FeedRow[]> {
    await using feed = await SocketFeed.open(`${this.#keyspace}/_changes`, {
      as: `${this.user}:letmein`,
      options: { since: this.since, limit, timeout: 50, include_docs: true, revocations: true },
    });
    const rows: FeedRow[] = [];
    for (;;) {
      const some = (await feed.rows()) as readonly FeedRow[] | undefined;
      if (some === undefined) break;
      rows.push(...some);
    }
    assert.deepEqual(await feed.closed, { code: 1000, reason: '' });
    this.since = rows.at(-1)?.seq ?? this.since;
    return rows;
  }

  #apply(row: FeedRow, judge: (id: string, rev: string) => void): void {
    if (row.id.startsWith('_user/')) return;
    const rev = row.changes[0]?.rev;
    assert(rev !== undefined, `a row without revision: ${JSON.stringify(row)}`);
    const gone = row.deleted === true || row.revoked === true || row.doc?._removed === true;
    if (gone) {
      this.held.delete(row.id);
      return;
    }
    assert.equal(
      row.doc?._rev,
      rev,
      `the row's document is not its revision: ${JSON.stringify(row)}`,
    );
    judge(row.id, rev);
    this.held.set(row.id, rev);
  }
}
