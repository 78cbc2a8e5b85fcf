import type { Bucket, Change, CommitResult, RecordChange } from '../bucket/bucket.ts';
import type { RecordKey, RecordRange, StoredRecord } from '../bucket/records.ts';
import type { ConfigRecords } from './config-records.ts';

/** Configurations of this group were kept in the bucket before there were others. */
export const DEFAULT_GROUP = 'default';

/**
 * The configurations that the nodes of one group share (`bootstrap.group_id`), in a bucket that may
 * hold those of others, which these nodes do not see.
 */
export function recordsOfGroup(bucket: Bucket, group: string): ConfigRecords {
  return group === DEFAULT_GROUP ? bucket : new GroupRecords(bucket, group);
}

/** Where a kind of records is kept for a group. */
export function kindInGroup(kind: string, group: string): string {
  return group === DEFAULT_GROUP ? kind : `${kind}:${group}`;
}

class GroupRecords implements ConfigRecords {
  readonly #bucket: Bucket;
  readonly #group: string;

  constructor(bucket: Bucket, group: string) {
    this.#bucket = bucket;
    this.#group = group;
  }

  async getRecord(key: RecordKey): Promise<StoredRecord | undefined> {
    const stored = await this.#bucket.getRecord(this.#keyOf(key));
    return stored && { ...stored, key };
  }

  async listRecords(range: RecordRange): Promise<readonly StoredRecord[]> {
    const kind = kindInGroup(range.kind, this.#group);
    const stored = await this.#bucket.listRecords({ ...range, kind });
    return stored.map((each) => ({ ...each, key: { ...each.key, kind: range.kind } }));
  }

  async commit(changes: readonly Change[]): Promise<readonly CommitResult[]> {
    return this.#bucket.commit(
      changes.map((change) => {
        if (change.kind !== 'record') throw new Error('bug: only records belong to a group');
        return this.#ofGroup(change);
      }),
    );
  }

  #ofGroup({ record, ifRecord, ...change }: RecordChange): RecordChange {
    return {
      ...change,
      record: this.#keyOf(record),
      ...(ifRecord && { ifRecord: { ...ifRecord, record: this.#keyOf(ifRecord.record) } }),
    };
  }

  #keyOf(key: RecordKey): RecordKey {
    return { ...key, kind: kindInGroup(key.kind, this.#group) };
  }
}
