import type { Bucket, Change, CommitResult, RecordChange } from '../bucket/bucket.ts';
import type { RecordKey, RecordRange, StoredRecord } from '../bucket/records.ts';
import type { Cas, Sequence } from '../document/types.ts';

/** Where configurations of databases are kept: their bucket, or the memory of this process. */
export type ConfigRecords = Pick<Bucket, 'getRecord' | 'listRecords' | 'commit'>;

/**
 * Configurations of databases that live on this node alone, because they come from its file: what
 * is changed over REST holds until the process ends. It keeps what the bucket promises of records.
 */
class RecordsInMemory implements ConfigRecords {
  readonly #stored = new Map<string, StoredRecord>();
  #lastCas = 0;

  getRecord(key: RecordKey): Promise<StoredRecord | undefined> {
    return Promise.resolve(this.#stored.get(idOf(key)));
  }

  listRecords({
    kind,
    database,
    after = '',
    limit,
  }: RecordRange): Promise<readonly StoredRecord[]> {
    const found = [...this.#stored.values()]
      .filter(({ key }) => key.kind === kind && key.database === database && key.id > after)
      .toSorted((a, b) => (a.key.id < b.key.id ? -1 : 1));
    return Promise.resolve(found.slice(0, limit));
  }

  commit(changes: readonly Change[]): Promise<readonly CommitResult[]> {
    return Promise.resolve(
      changes.map((change) => {
        if (change.kind !== 'record') throw new Error('bug: only records are kept in memory');
        return this.#apply(change);
      }),
    );
  }

  #apply({ record, ifCas, ifRecord, value, expiry }: RecordChange): CommitResult {
    if (ifRecord !== undefined && this.#casOf(ifRecord.record) !== ifRecord.cas)
      return { ok: false, failed: 'record' };
    const actualCas = this.#casOf(record);
    if (ifCas !== undefined && ifCas !== actualCas) return { ok: false, failed: 'cas', actualCas };
    const cas = ++this.#lastCas as Cas;
    if (value === null) this.#stored.delete(idOf(record));
    else this.#stored.set(idOf(record), { key: record, cas, value, expiry });
    return { ok: true, cas, seq: 0 as Sequence };
  }

  #casOf(key: RecordKey): Cas | 'absent' {
    return this.#stored.get(idOf(key))?.cas ?? 'absent';
  }
}

/** The configurations of this node alone, by bucket: no two databases of one share a collection. */
export class LocalConfigs {
  readonly #buckets = new Map<string, ConfigRecords>();

  of(bucketName: string): ConfigRecords {
    const known = this.#buckets.get(bucketName);
    if (known !== undefined) return known;
    const records = new RecordsInMemory();
    this.#buckets.set(bucketName, records);
    return records;
  }
}

const idOf = ({ kind, database, id }: RecordKey): string => JSON.stringify([kind, database, id]);
