import assert from 'node:assert/strict';
import type { TestDatabase } from './database.ts';
import { createDatabase } from './database.ts';
import { ForeignWriter } from './foreign-writer.ts';
import type { TestGateway } from './gateway.ts';
import type { Answer } from './http.ts';
import { request } from './http.ts';
import { until } from './until.ts';

/** A document as a read tells it, or why there is none. */
export interface ReadDocument {
  readonly _rev: string;
  readonly reason?: string;
  readonly [property: string]: unknown;
}

/** A row of `_import/rejected`. */
export interface RejectedRow {
  readonly keyspace: string;
  readonly id: string;
  readonly by: string;
  readonly reason: string;
}

/** What `_import` tells. */
export interface ImportStatus {
  readonly enabled: boolean;
  readonly import_docs: boolean;
  readonly backlog: number;
  readonly rejected: number;
  readonly nodes: readonly { readonly node: string; readonly partitions: number }[];
  readonly partitions: readonly { readonly node?: string }[];
}

/** A database with an application that writes into its bucket, past the gateway. */
export class SharedBucket implements Disposable {
  readonly db: TestDatabase;
  readonly app: ForeignWriter;
  readonly #metrics: string;
  readonly #name: string;

  private constructor(gateway: TestGateway, name: string, db: TestDatabase) {
    this.db = db;
    this.app = new ForeignWriter(gateway.dataDir, name);
    this.#metrics = gateway.metrics;
    this.#name = name;
  }

  static async create(
    gateway: TestGateway,
    name: string,
    config: Readonly<Record<string, unknown>> = {},
  ): Promise<SharedBucket> {
    const { public: clients, admin, metrics } = gateway;
    const db = await createDatabase({ urls: { public: clients, admin, metrics } }, name, config);
    return new SharedBucket(gateway, name, db);
  }

  [Symbol.dispose](): void {
    this.app[Symbol.dispose]();
  }

  /** As the administrator. */
  get(path: string): Promise<Answer> {
    return request('GET', `${this.db.admin}/${path}`);
  }

  post(path: string, json: object): Promise<Answer> {
    return request('POST', `${this.db.admin}/${path}`, { json });
  }

  /** The document, or the error, of a read. */
  async read(path: string): Promise<ReadDocument & { readonly status: number }> {
    const { status, json } = await this.get(path);
    return { ...(json as unknown as ReadDocument), status };
  }

  /** Writes as a client; gives the revision. */
  async put(id: string, json: object, rev = ''): Promise<string> {
    const url = `${this.db.admin}/${id}${rev === '' ? '' : `?rev=${rev}`}`;
    const answer = await request('PUT', url, { json });
    assert.equal(answer.status, 201, answer.text);
    return (answer.json as { rev: string }).rev;
  }

  async revOf(id: string): Promise<string> {
    return (await this.read(id))._rev;
  }

  async configure(json: object): Promise<void> {
    const answer = await this.post('_config', json);
    assert.ok(answer.status < 300, answer.text);
  }

  /** `sync` or `import_filter`. */
  async setFunction(name: string, body: string): Promise<void> {
    const set = await request('PUT', `${this.db.admin}/_config/${name}`, {
      body,
      headers: { 'content-type': 'application/javascript' },
    });
    assert.equal(set.status, 200, set.text);
  }

  /** Rows of the feed, in order: `id rev`. */
  async changes(): Promise<readonly string[]> {
    const { json } = await this.get('_changes');
    const { results } = json as { results: { id: string; changes: { rev: string }[] }[] };
    return results.map(({ id, changes: [change] }) => `${id} ${change?.rev}`);
  }

  async untilChanges(count: number): Promise<readonly string[]> {
    return until(`${count} rows`, async () => {
      const rows = await this.changes();
      return rows.length === count ? rows : undefined;
    });
  }

  /** Channels that the document is in. */
  async channelsOf(id: string): Promise<readonly string[]> {
    const raw = await this.get(`_raw/${id}`);
    assert.equal(raw.status, 200, raw.text);
    const { _xattrs: xattrs } = raw.json as {
      _xattrs: { _sync: { channels: Record<string, unknown> } };
    };
    return Object.entries(xattrs._sync.channels).flatMap(([name, left]) =>
      left === null ? [name] : [],
    );
  }

  async status(): Promise<ImportStatus> {
    const { status, json, text } = await this.get('_import');
    assert.equal(status, 200, text);
    return json as unknown as ImportStatus;
  }

  /** Resolves when nothing waits to be looked at. */
  async untilIdle(): Promise<void> {
    await until('nothing waits', async () =>
      (await this.status()).backlog === 0 ? true : undefined,
    );
  }

  async rejected(): Promise<readonly RejectedRow[]> {
    const { status, json, text } = await this.get('_import/rejected');
    assert.equal(status, 200, text);
    return (json as unknown as { rejected: readonly RejectedRow[] }).rejected;
  }

  untilRejected(id: string): Promise<RejectedRow> {
    return until(`${id} is rejected`, async () =>
      (await this.rejected()).find((row) => row.id === id),
    );
  }

  /** Of this database on the metrics port, by its name without `sgw_`. */
  async figure(key: string): Promise<number> {
    const { text } = await request('GET', `${this.#metrics}/metrics`);
    const start = `sgw_${key}{database="${this.#name}"} `;
    const line = text.split('\n').find((each) => each.startsWith(start));
    return Number(line?.slice(start.length));
  }
}
