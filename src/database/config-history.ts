import type { RecordChange } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import { changedProperties } from '../config/changed-properties.ts';
import { GatewayError } from '../util/errors.ts';
import type { ConfigRecords } from './config-records.ts';
import type { DatabaseRecord, StoredDatabase } from './database-record.ts';
import { databaseRecordKey, parseDatabaseRecord } from './database-record.ts';

/**
 * Former configurations of a database. Each change keeps the one that it replaces, in the same
 * transaction: after a crash there are the old one alone, or the new one and the old one kept.
 * Whether a database is offline is its state: a change of `offline` alone makes no version.
 */

/** So many former ones are kept. */
const VERSIONS_KEPT_MAX = 50;

/** The number of a configuration: 1 as it was created, one more with each change. */
export function versionNumber(record: DatabaseRecord): number {
  return record.version ?? 1;
}

/**
 * Stores a changed configuration in the place of `before`, which is kept. Undefined, with nothing
 * stored, where another process has changed it since.
 */
export async function storeChange(
  records: ConfigRecords,
  record: DatabaseRecord,
  before: StoredDatabase,
): Promise<StoredDatabase | undefined> {
  const changed = changedProperties(before.record.given, record.given).filter(
    // Named or not, the bucket is the one in which the database is.
    (path) => path !== 'bucket' && path !== 'offline',
  );
  const isVersion = changed.length > 0;
  const number = versionNumber(before.record);
  const next = isVersion ? { ...record, version: number + 1, changed } : record;
  const key = databaseRecordKey(record.name);
  const asBefore = { record: key, cas: before.cas };
  const keeping: readonly RecordChange[] = isVersion
    ? [
        keptChange(record.name, number, { asBefore, value: JSON.stringify(before.record) }),
        ...(number > VERSIONS_KEPT_MAX
          ? [keptChange(record.name, number - VERSIONS_KEPT_MAX, { asBefore, value: null })]
          : []),
      ]
    : [];
  const value = JSON.stringify(next);
  const results = await records.commit([
    ...keeping,
    { kind: 'record', record: key, ifCas: before.cas, value, expiry: 0 },
  ]);
  const last = results.at(-1);
  return last?.ok === true ? { record: next, cas: last.cas } : undefined;
}

/** Those that are kept, the oldest first; the present one is not among them. */
export async function listVersions(
  records: ConfigRecords,
  present: DatabaseRecord,
): Promise<readonly DatabaseRecord[]> {
  const kept = await records.listRecords({ ...kind(present.name), limit: VERSIONS_KEPT_MAX + 1 });
  // NOTE: of a change that was taken back, its number and what it replaced are there once more.
  return kept
    .map(parseDatabaseRecord)
    .filter((record) => versionNumber(record) < versionNumber(present));
}

/** Throws `missing` that tells which there are. */
export async function readVersion(
  records: ConfigRecords,
  present: DatabaseRecord,
  number: number,
): Promise<DatabaseRecord> {
  const now = versionNumber(present);
  if (number === now) return present;
  const stored = await records.getRecord(keyOf(present.name, number));
  if (stored !== undefined && number < now) return parseDatabaseRecord(stored);
  const oldest = (await listVersions(records, present)).at(0);
  const kept = `${oldest === undefined ? now : versionNumber(oldest)} to ${now}`;
  throw new GatewayError('missing', `version ${number} is not kept; there are ${kept}`);
}

/** Forgets a database with its former configurations; its documents stay. */
export async function forgetConfiguration(records: ConfigRecords, name: string): Promise<void> {
  const kept = await records.listRecords({ ...kind(name), limit: VERSIONS_KEPT_MAX + 1 });
  await records.commit(
    [databaseRecordKey(name), ...kept.map(({ key }) => key)].map((record) => ({
      kind: 'record',
      record,
      value: null,
      expiry: 0,
    })),
  );
}

function keptChange(
  name: string,
  number: number,
  { asBefore, value }: { asBefore: NonNullable<RecordChange['ifRecord']>; value: string | null },
): RecordChange {
  return { kind: 'record', record: keyOf(name, number), ifRecord: asBefore, value, expiry: 0 };
}

const kind = (database: string) => ({ kind: 'database_version', database });

/** With zeros before it: the order of ids is that of numbers. */
const keyOf = (name: string, number: number): RecordKey => ({
  ...kind(name),
  id: String(number).padStart(12, '0'),
});
