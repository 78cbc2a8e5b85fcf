import { claimedCollections } from '../config/scopes.ts';
import { GatewayError } from '../util/errors.ts';
import { forgetConfiguration, storeChange } from './config-history.ts';
import type { ConfigRecords } from './config-records.ts';
import type { DatabaseRecord, StoredDatabase } from './database-record.ts';
import { metadataIdOf } from './metadata-id.ts';
import {
  addDatabaseRecord,
  DATABASES_PER_BUCKET_MAX,
  listDatabaseRecords,
  replaceDatabaseRecord,
} from './database-record.ts';

/**
 * Several databases may serve one bucket, but no collection is served by two: its documents are
 * routed by one function, and grant to the users of one database.
 */

/** Stores a new database. Throws `databaseExists`, and `conflict` as `checkClaims`. */
export async function claimDatabase(records: ConfigRecords, record: DatabaseRecord): Promise<void> {
  const others = await listDatabaseRecords(records);
  if (others.length >= DATABASES_PER_BUCKET_MAX)
    throw new GatewayError('conflict', `the bucket has ${others.length} databases, the most`);
  checkClaims(record, others);
  if (!(await addDatabaseRecord(records, record)))
    throw new GatewayError('databaseExists', `another process has created ${record.name}`);
  try {
    // NOTE: another process may have stored another database between: then both see it and yield.
    checkClaims(record, await listDatabaseRecords(records));
  } catch (cause) {
    await forgetConfiguration(records, record.name);
    throw cause;
  }
}

/**
 * Stores the changed configuration of a database, and keeps the one before; undefined where another
 * process has changed it.
 * Throws `conflict` as `checkClaims`; then it is as before.
 */
export async function claimChange(
  records: ConfigRecords,
  record: DatabaseRecord,
  before: StoredDatabase,
): Promise<StoredDatabase | undefined> {
  checkClaims(record, await listDatabaseRecords(records));
  const stored = await storeChange(records, record, before);
  if (stored === undefined) return undefined;
  try {
    // NOTE: as in `claimDatabase`.
    checkClaims(record, await listDatabaseRecords(records));
  } catch (cause) {
    await replaceDatabaseRecord(records, before.record, stored.cas);
    throw cause;
  }
  return stored;
}

/**
 * Throws `conflict` where one of the others has a collection that `record` claims, or its metadata
 * id. All are of one bucket; the record itself may be among them.
 */
export function checkClaims(record: DatabaseRecord, others: Iterable<DatabaseRecord>): void {
  const claimed = new Set(claimedCollections(record.given));
  for (const { name, given, metadataId } of others) {
    if (name === record.name) continue;
    // NOTE: only of two that are created at the same moment.
    if (metadataIdOf({ name, metadataId }) === metadataIdOf(record))
      throw new GatewayError('conflict', `the database ${name} has the users of ${record.name}`);
    const common = claimedCollections(given).find((collection) => claimed.has(collection));
    if (common === undefined) continue;
    throw new GatewayError('conflict', `the database ${name} serves the collection ${common}`);
  }
}
