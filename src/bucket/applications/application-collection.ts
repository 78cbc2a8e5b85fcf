import type { DatabaseSync } from 'node:sqlite';

import { parseDocId } from '../../document/doc-id.ts';
import { GatewayError } from '../../util/errors.ts';
import type { BucketConnection } from './bucket-connection.ts';
import { CasConflict } from './cas-conflict.ts';

/** A document as an application sees it. */
export interface StoredBody {
  readonly body: unknown;
  /** Another one after each change, by whomever. */
  readonly cas: number;
  /** Unix seconds after which the document expires; 0: never. */
  readonly expiry: number;
}

export interface WriteOptions {
  /** The CAS that was read, or `absent`: else nothing is written. Not said: whatever is there. */
  readonly cas?: number | 'absent';
  /** Unix seconds; 0: never. Not said: it stays, and is 0 for a new document. */
  readonly expiry?: number;
}

/** The documents of a collection. Each operation is one durable transaction. */
export class ApplicationCollection {
  readonly #connection: BucketConnection;
  readonly #id: number;

  /** `id`: its number in the bucket. */
  constructor(connection: BucketConnection, id: number) {
    this.#connection = connection;
    this.#id = id;
  }

  /** Undefined where there is no such document. */
  async get(key: string): Promise<StoredBody | undefined> {
    const row = await this.#connection.run((db) =>
      db
        .prepare('SELECT body, cas, expiry FROM documents WHERE collection = ? AND key = ?')
        .get(this.#id, key),
    );
    if (row === undefined) return undefined;
    const body: unknown = JSON.parse(String(row['body']));
    return { body, cas: Number(row['cas']), expiry: Number(row['expiry']) };
  }

  /** Writes a document, whether it is there or not; gives its CAS. */
  async upsert(key: string, body: object, options: WriteOptions = {}): Promise<number> {
    const id = parseDocId(key);
    const text = textOf(body);
    const expiry = expiryOf(options.expiry);
    return this.#connection.transaction((db) => {
      this.#requireCas(db, key, options.cas);
      db.prepare(
        `INSERT INTO documents (collection, key, body, expiry) VALUES (?1, ?2, ?3, coalesce(?4, 0))
         ON CONFLICT (collection, key) DO UPDATE SET body = ?3, expiry = coalesce(?4, expiry)`,
      ).run(this.#id, id, text, expiry);
      const cas = this.#casOf(db, key);
      return cas === 'absent' ? 0 : cas;
    });
  }

  /** Whether there was such a document. */
  async remove(key: string, { cas }: Pick<WriteOptions, 'cas'> = {}): Promise<boolean> {
    return this.#connection.transaction((db) => {
      this.#requireCas(db, key, cas);
      const { changes } = db
        .prepare('DELETE FROM documents WHERE collection = ? AND key = ?')
        .run(this.#id, key);
      return Number(changes) > 0;
    });
  }

  #requireCas(db: DatabaseSync, key: string, cas: WriteOptions['cas']): void {
    if (cas === undefined) return;
    const actual = this.#casOf(db, key);
    if (actual !== cas) throw new CasConflict(key, actual);
  }

  #casOf(db: DatabaseSync, key: string): number | 'absent' {
    const row = db
      .prepare('SELECT cas FROM documents WHERE collection = ? AND key = ?')
      .get(this.#id, key);
    return row === undefined ? 'absent' : Number(row['cas']);
  }
}

function textOf(body: object): string {
  const text: unknown = JSON.stringify(body);
  if (typeof text !== 'string' || !text.startsWith('{')) {
    throw new GatewayError('badRequest', 'a document is a JSON object');
  }
  const reserved = Object.keys(JSON.parse(text) as object).find((name) => name.startsWith('_'));
  if (reserved === undefined) return text;
  throw new GatewayError('badRequest', `the property ${reserved} begins with an underscore`);
}

/** As SQL takes it; null where it is not said. */
function expiryOf(expiry: number | undefined): number | null {
  if (expiry === undefined) return null;
  if (Number.isSafeInteger(expiry) && expiry >= 0) return expiry;
  throw new GatewayError('badRequest', 'an expiry is in whole Unix seconds, or 0 for never');
}
