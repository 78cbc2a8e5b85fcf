import assert from 'node:assert/strict';
import type { Answer, RequestOptions } from './http.ts';
import { request } from './http.ts';
import { until } from './until.ts';

/** How long an answer may take: a gateway that is paused gives it when it goes on. */
const ANSWER_WITHIN_MS = 300_000;
const patience = (): AbortSignal => AbortSignal.timeout(ANSWER_WITHIN_MS);

/** Where a database is on one gateway. */
interface Place {
  readonly public: string;
  readonly admin: string;
}

export interface ResyncClientsOptions {
  /** The ids of their own documents begin with it. */
  readonly name: string;
  /** Ids of stored documents, which they write again. */
  readonly stored: readonly string[];
  readonly count?: number;
}

/**
 * Clients of one gateway that write and read while an online resync runs, and note every answer.
 * The database lets its guest see all.
 */
export class ResyncClients {
  readonly #at: Place;
  readonly #options: ResyncClientsOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #statuses = new Map<number, number>();
  readonly #wrong: string[] = [];
  #written = 0;
  #created = 0;
  #routedTo: string | undefined;

  constructor(at: Place, options: ResyncClientsOptions) {
    this.#at = at;
    this.#options = options;
    const { count = 2 } = options;
    const clients = Array.from({ length: count }, (_, own) => this.#run(own, count));
    const followers = ['longpoll', 'continuous'].map((feed) => this.#follow(feed));
    this.#running = Promise.all([...clients, ...followers]);
    // NOTE: told by `end`, where a test comes to it.
    this.#running.catch(() => undefined);
  }

  /** Writes that were acknowledged: so many sequences. */
  get written(): number {
    return this.#written;
  }

  /** Documents that are theirs. */
  get created(): number {
    return this.#created;
  }

  /** Resolves when so many more writes are acknowledged. */
  async untilWritten(more: number): Promise<void> {
    const enough = this.#written + more;
    await until('clients write', () => (this.#written >= enough ? true : undefined), {
      withinMs: 30_000,
    });
  }

  /** From now on, each document that they write has to be in this channel alone. */
  cutOverTo(channel: string): void {
    this.#routedTo = channel;
  }

  /** Ends them; fails where an answer was none of those that a client expects. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    // NOTE: two of them may write the same document at once.
    const unexpected = [...this.#statuses].filter(([status]) => ![200, 201, 409].includes(status));
    assert.deepEqual(unexpected, [], `answers of ${this.#at.public}`);
    assert.deepEqual(this.#wrong, []);
  }

  async #run(own: number, step: number): Promise<void> {
    const { name, stored } = this.#options;
    for (let n = own; !this.#stop.signal.aborted; n += step) {
      if (await this.#write(`${name}-${n}`, { n })) this.#created++;
      const id = stored[(n * 37) % stored.length] ?? '';
      const there = await this.#ask('GET', id);
      const { _rev } = there.json as { _rev: string };
      await this.#write(id, { _rev, n, again: true });
      await this.#ask('GET', '_changes?limit=5');
    }
  }

  async #follow(feed: string): Promise<void> {
    let since = '0';
    while (!this.#stop.signal.aborted) {
      const query = `feed=${feed}&since=${since}&timeout=200&limit=500`;
      const { text } = await this.#ask('GET', `_changes?${query}`);
      const sequences = Array.from(text.matchAll(/"seq":(\d+)/g), ([, seq]) => Number(seq));
      since = String(Math.max(Number(since), ...sequences));
    }
  }

  /** Whether it was acknowledged. */
  async #write(id: string, json: object): Promise<boolean> {
    const channel = this.#routedTo;
    const put = await this.#ask('PUT', id, { json });
    if (put.status !== 201) return false;
    this.#written++;
    if (channel !== undefined) {
      const channels = await channelsOf(this.#at, id);
      if (channels.join() !== channel) this.#wrong.push(`${id} is in ${channels.join()}`);
    }
    return true;
  }

  async #ask(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const signal = patience();
    const answer = await request(method, `${this.#at.public}/${path}`, { ...options, signal });
    this.#statuses.set(answer.status, (this.#statuses.get(answer.status) ?? 0) + 1);
    return answer;
  }
}

/** Channels that a document is in. */
export async function channelsOf(
  { admin }: Pick<Place, 'admin'>,
  id: string,
): Promise<readonly string[]> {
  const raw = await request('GET', `${admin}/_raw/${id}`, { signal: patience() });
  assert.equal(raw.status, 200, raw.text);
  const { _xattrs: xattrs } = raw.json as {
    _xattrs: { _sync: { channels: Record<string, unknown> } };
  };
  return Object.entries(xattrs._sync.channels).flatMap(([name, left]) =>
    left === null ? [name] : [],
  );
}
