import assert from 'node:assert/strict';
import fc from 'fast-check';
import { request } from '../helpers/http.ts';
import { SocketFeed } from '../helpers/socket-feed.ts';
import { ReplayedFeed, type FeedRow } from './replayed-feed.ts';

/** The ways in which a feed is sent; `zipped`: over a WebSocket, compressed. */
export type FeedKind = 'normal' | 'longpoll' | 'continuous' | 'websocket' | 'zipped';

/** Those that end by their timeout alone take a while, and come less often. */
export const feedKind: fc.Arbitrary<FeedKind> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('normal' as const, 'websocket' as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('longpoll' as const, 'continuous' as const, 'zipped' as const),
  },
);

export interface Reading {
  /** Rows of each request. */
  readonly limit: number;
  readonly feed: FeedKind;
  /** Further parameters, in place of those that it sends otherwise. */
  readonly parameters?: Readonly<Record<string, string | boolean>>;
}

type Parameters = Readonly<Record<string, string | number | boolean>>;

/** A client that comes, reads what there is, and goes on from its last sequence the next time. */
export class FeedClient extends ReplayedFeed {
  readonly #keyspace: string;
  readonly #user: string;

  /** `at`: what it holds already, and from where it goes on. */
  constructor(
    keyspace: string,
    user: string,
    at?: { readonly held: ReadonlyMap<string, string>; readonly since: number | string },
  ) {
    super(at);
    this.#keyspace = keyspace;
    this.#user = user;
  }

  /**
   * Reads the feed from where it stopped to its end, in requests of at most `limit` rows, and gives
   * each row to `judge` once it is taken, with the revision that the reader is to have by it (there
   * it fails where the reader may not see that).
   */
  async follow(
    options: Reading,
    judge: (row: FeedRow, rev: string | undefined) => void,
  ): Promise<void> {
    for (;;) {
      const { rows, lastSeq } = await this.#read(options);
      for (const row of rows) {
        judge(row, this.take(row) ? this.held.get(row.id) : undefined);
        if (row.removed !== undefined && row.doc === undefined) await this.#lookAt(row.id);
      }
      this.since = lastSeq ?? this.since;
      if (rows.length < options.limit) return;
    }
  }

  async #read({ limit, feed, parameters }: Reading): Promise<{
    readonly rows: readonly FeedRow[];
    readonly lastSeq?: number | string;
  }> {
    const asked = {
      since: this.since,
      limit,
      timeout: 50,
      include_docs: true,
      revocations: true,
      ...parameters,
    };
    if (feed === 'websocket') return { rows: await this.#readSocket(asked) };
    if (feed === 'zipped') return { rows: await this.#readZipped(asked) };
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...asked, feed })) query.set(name, String(value));
    const answer = await request('GET', `${this.#keyspace}/_changes?${query}`, this.#login());
    assert.equal(answer.status, 200, answer.text);
    if (feed === 'continuous') return { rows: parsedLines(answer.text) };
    const body = answer.json as unknown as { results: FeedRow[]; last_seq: number | string };
    return { rows: body.results, lastSeq: body.last_seq };
  }

  async #readSocket(options: Parameters): Promise<readonly FeedRow[]> {
    await using feed = await this.#open(options);
    const rows: FeedRow[] = [];
    for (;;) {
      const some = (await feed.rows()) as readonly FeedRow[] | undefined;
      if (some === undefined) break;
      // All is told that there was; what would come now are changes.
      if (some.length === 0) return rows;
      rows.push(...some);
    }
    assert.deepEqual(await feed.closed, { code: 1000, reason: '' });
    return rows;
  }

  async #readZipped(options: Parameters): Promise<readonly FeedRow[]> {
    await using feed = await this.#open({ ...options, accept_encoding: 'gzip' });
    // Messages are lists of rows, one behind the other; within them no `]` stands before a `[`.
    const lists = `[${(await feed.unzipped()).replaceAll(/\]\s*\[/g, '],[')}]`;
    assert.deepEqual(await feed.closed, { code: 1000, reason: '' });
    return (JSON.parse(lists) as FeedRow[][]).flat();
  }

  async #open(options: Parameters): Promise<SocketFeed> {
    return await SocketFeed.open(`${this.#keyspace}/_changes`, { ...this.#login(), options });
  }

  /** As clients do that ask for no documents, and are told that one left a channel. */
  async #lookAt(id: string): Promise<void> {
    const answer = await request('GET', `${this.#keyspace}/${id}`, this.#login());
    if (answer.status === 200) this.held.set(id, (answer.json as { _rev: string })._rev);
    else this.held.delete(id);
  }

  #login(): { readonly as: string } {
    return { as: `${this.#user}:letmein` };
  }
}

function parsedLines(text: string): readonly FeedRow[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => JSON.parse(line) as FeedRow);
}
