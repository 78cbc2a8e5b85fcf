import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { FeedLines } from '../helpers/feed-lines.ts';
import { request } from '../helpers/http.ts';
import { SocketFeed } from '../helpers/socket-feed.ts';
import { until } from '../helpers/until.ts';
import { ReplayedFeed, type FeedRow } from './replayed-feed.ts';

/** The ways in which a feed stays open. */
export const LIVE_KINDS = ['longpoll', 'continuous', 'websocket', 'zipped'] as const;

export interface Following {
  readonly kind: (typeof LIVE_KINDS)[number];
  /** The feed ends after as many rows, and is opened again where it stopped; 0: it stays open. */
  readonly limit: number;
  readonly parameters: Readonly<Record<string, string | boolean>>;
}

const AGAIN_AFTER_MS = 15;
const CAUGHT_UP_WITHIN_MS = 15_000;

/**
 * A client that follows a feed all the time, while others write; and comes again where it stopped
 * when the feed ends, the gateway is gone, or it is refused.
 */
export class LiveFollower implements AsyncDisposable {
  /** What its feed told it to have, since this was last emptied. */
  readonly told: (readonly [id: string, rev: string, row: FeedRow])[] = [];
  readonly user: string;
  readonly #keyspace: () => string;
  readonly #options: Following;
  readonly #replayed = new ReplayedFeed();
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;
  #failure: unknown;
  #isRefused = false;

  /** `keyspace` is asked each time: another process serves it elsewhere. */
  constructor(keyspace: () => string, user: string, options: Following) {
    this.#keyspace = keyspace;
    this.user = user;
    this.#options = options;
    this.#following = this.#follow();
  }

  get held(): ReadonlyMap<string, string> {
    return this.#replayed.held;
  }

  get options(): Following {
    return this.#options;
  }

  /** Resolves when it has this revision; rejects where it failed. */
  async has(id: string, rev: string): Promise<void> {
    await this.#until(`${id} ${rev}`, () => this.held.get(id) === rev);
  }

  /** Resolves when the gateway does not let it in. */
  async refused(): Promise<void> {
    this.#isRefused = false;
    await this.#until('refusal', () => this.#isRefused);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const { kind, parameters } = this.#options;
    const about = `${what} in the ${kind} feed of ${this.user} ${JSON.stringify(parameters)}`;
    const options = { withinMs: CAUGHT_UP_WITHIN_MS };
    await until(
      about,
      () => {
        if (this.#failure !== undefined) throw new Error(about, { cause: this.#failure });
        return holds() || undefined;
      },
      options,
    );
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#followOnce();
      } catch (cause) {
        // What was cut off is opened again; that the feed told something wrong is a failure.
        if (cause instanceof assert.AssertionError || cause instanceof SyntaxError) {
          this.#failure = cause;
          return;
        }
        if (cause instanceof Error && /\b401\b/.test(cause.message)) this.#isRefused = true;
        await sleep(AGAIN_AFTER_MS);
      }
    }
  }

  async #followOnce(): Promise<void> {
    const { kind } = this.#options;
    if (kind === 'longpoll') await this.#poll();
    else if (kind === 'continuous') await this.#readLines();
    else await this.#readSocket(kind === 'zipped');
  }

  async #poll(): Promise<void> {
    const answer = await request('GET', `${this.#url()}&feed=longpoll`, {
      as: this.#as,
      signal: this.#stop.signal,
    });
    if (answer.status !== 200) throw new Error(`_changes answered ${answer.status}`);
    const body = answer.json as unknown as { results: FeedRow[]; last_seq: number | string };
    for (const row of body.results) this.#take(row);
    this.#replayed.since = body.last_seq;
  }

  async #readLines(): Promise<void> {
    await using feed = await FeedLines.open(this.#url(), { as: this.#as });
    using _ = this.#onStop(() => void feed[Symbol.asyncDispose]());
    for (;;) {
      const row = await feed.next();
      if (row === undefined) return;
      this.#take(row as FeedRow);
    }
  }

  async #readSocket(isZipped: boolean): Promise<void> {
    const url = `${this.#keyspace()}/_changes`;
    const options = {
      ...this.#parameters(),
      since: this.#replayed.since,
      limit: this.#options.limit,
      ...(isZipped && { compress: true }),
    };
    await using feed = await SocketFeed.open(url, { as: this.#as, options });
    using _ = this.#onStop(() => void feed[Symbol.asyncDispose]());
    const unzip = createGunzip();
    let text = '';
    unzip.on('data', (bytes: Buffer) => (text += bytes.toString()));
    // NOTE: a stream that is cut off has no end; what came is all that counts.
    unzip.on('error', () => undefined);
    for (;;) {
      const message = await feed.message();
      if (message === undefined) return;
      if (typeof message === 'string') text = message;
      else await written(unzip, message);
      if (text === '') continue;
      // All that one message carries is a list.
      for (const row of JSON.parse(text) as readonly FeedRow[]) this.#take(row);
      text = '';
    }
  }

  #take(row: FeedRow): void {
    const isToHave = this.#replayed.take(row);
    if (isToHave) this.told.push([row.id, this.held.get(row.id) ?? '', row]);
  }

  #onStop(close: () => void): Disposable {
    const { signal } = this.#stop;
    signal.addEventListener('abort', close);
    if (signal.aborted) close();
    return { [Symbol.dispose]: () => signal.removeEventListener('abort', close) };
  }

  #parameters(): Readonly<Record<string, string | boolean>> {
    return { include_docs: true, revocations: true, ...this.#options.parameters };
  }

  #url(): string {
    const query = new URLSearchParams({
      since: String(this.#replayed.since),
      limit: String(this.#options.limit),
      ...Object.fromEntries(
        Object.entries(this.#parameters()).map(([name, value]) => [name, String(value)]),
      ),
    });
    return `${this.#keyspace()}/_changes?${query}`;
  }

  get #as(): string {
    return `${this.user}:letmein`;
  }
}

/** When what the bytes unpack to has been read. */
async function written(unzip: Gunzip, bytes: Buffer): Promise<void> {
  await new Promise((resolve) => {
    unzip.write(bytes, resolve);
  });
  await new Promise(setImmediate);
}
