import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** How long a write waits for others', ms. */
const BUSY_MS = 10_000;

/** An application that writes into the file of a bucket, and knows nothing of a gateway. */
export class ForeignWriter implements Disposable {
  readonly #file: DatabaseSync;

  /** `bucket`: its name; `dataDir`: where its file is. */
  constructor(dataDir: string, bucket: string) {
    this.#file = new DatabaseSync(path.join(dataDir, `${bucket}.sqlite`), { timeout: BUSY_MS });
  }

  /** Any SQL. */
  run(sql: string, ...values: readonly (string | number | Uint8Array)[]): void {
    this.#file.prepare(sql).run(...values);
  }

  /** `INSERT`, or `UPDATE` of the body where it is there: an upsert. */
  put(key: string, body: object | string, collection = 1): void {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    this.run(
      `INSERT INTO documents (collection, key, body) VALUES (?, ?, ?)
       ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body`,
      collection,
      key,
      text,
    );
  }

  remove(key: string): void {
    this.run('DELETE FROM documents WHERE key = ?', key);
  }

  /** The row as it stands in the file; undefined for none. */
  row(key: string): { readonly body: string; readonly expiry: number } | undefined {
    const row = this.#file.prepare('SELECT body, expiry FROM documents WHERE key = ?').get(key);
    return row === undefined
      ? undefined
      : { body: String(row['body']), expiry: Number(row['expiry']) };
  }

  /** The number of a collection, by `scope.collection`. */
  collection(name: string): number {
    const row = this.#file.prepare('SELECT id FROM collections WHERE name = ?').get(name);
    return Number(row?.['id']);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
