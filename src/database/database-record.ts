import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RecordKey, StoredRecord } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';
import type { ConfigRecords } from './config-records.ts';

/** The configuration of a database as it is kept in its bucket. */
export interface DatabaseRecord {
  readonly name: string;
  /** See `metadata-id.ts`; absent where it is the name. */
  readonly metadataId?: string | undefined;
  /** What the administrator gave, as given. */
  readonly given: Readonly<Record<string, unknown>>;
  /** ISO times. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Counts its changes, from 1; absent for 1. See `config-history.ts`. */
  readonly version?: number | undefined;
  /** Paths of the properties in which it differs from the version before. */
  readonly changed?: readonly string[] | undefined;
}

/** As it was read or written, with the version that the next change must state. */
export interface StoredDatabase {
  readonly record: DatabaseRecord;
  readonly cas: Cas;
}

const schema = z.object({
  name: z.string(),
  metadataId: z.string().optional(),
  given: z.record(z.string(), z.unknown()),
  createdAt: z.string(),
  updatedAt: z.string(),
  version: z.int().min(1).optional(),
  changed: z.array(z.string()).optional(),
});

/** The records of databases in a bucket are few; more than this is refused when one is created. */
export const DATABASES_PER_BUCKET_MAX = 1000;

/** All databases that are configured in this bucket. Throws `corrupt` where a record is none. */
export async function listDatabaseRecords(
  records: ConfigRecords,
): Promise<readonly DatabaseRecord[]> {
  const stored = await records.listRecords({ ...DATABASE_KIND, limit: DATABASES_PER_BUCKET_MAX });
  return stored.map(parseDatabaseRecord);
}

/** Undefined where there is none of that name. Throws `corrupt` where the record is none. */
export async function readDatabaseRecord(
  records: ConfigRecords,
  name: string,
): Promise<StoredDatabase | undefined> {
  const stored = await records.getRecord(databaseRecordKey(name));
  return stored && { record: parseDatabaseRecord(stored), cas: stored.cas };
}

/** Stores a changed one; undefined where another process changed it since it had that CAS. */
export async function replaceDatabaseRecord(
  records: ConfigRecords,
  record: DatabaseRecord,
  ifCas: Cas,
): Promise<StoredDatabase | undefined> {
  const value = JSON.stringify(record);
  const [result] = await records.commit([
    { kind: 'record', record: databaseRecordKey(record.name), ifCas, value, expiry: 0 },
  ]);
  return result?.ok === true ? { record, cas: result.cas } : undefined;
}

/** Another one for every change of a stored configuration: its ETag. */
export function configVersion(record: DatabaseRecord): string {
  return createHash('sha256').update(JSON.stringify(record)).digest('hex').slice(0, 32);
}

/** Stores a new one; false where a database of that name is there already. */
export async function addDatabaseRecord(
  records: ConfigRecords,
  record: DatabaseRecord,
): Promise<boolean> {
  const [result] = await records.commit([
    {
      kind: 'record',
      record: databaseRecordKey(record.name),
      ifCas: 'absent',
      value: JSON.stringify(record),
      expiry: 0,
    },
  ]);
  return result?.ok === true;
}

/** Where configurations are kept. */
export const DATABASE_KIND = { kind: 'database', database: '' } as const;

/** Where the configuration of a database is kept. */
export const databaseRecordKey = (name: string): RecordKey => ({ ...DATABASE_KIND, id: name });

/** Throws `corrupt` where it is none. */
export function parseDatabaseRecord(stored: StoredRecord): DatabaseRecord {
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (!parsed.success)
    throw new GatewayError('corrupt', `the stored configuration of ${stored.key.id} is unreadable`);
  return parsed.data;
}
