import type { Bucket } from '../bucket/bucket.ts';
import { claimedCollections } from '../config/scopes.ts';
import { readRouting } from './collection-routing.ts';
import type { DatabaseRecord } from './database-record.ts';

/**
 * Under its metadata id the bucket keeps the users, roles and sessions of a database, its sync
 * functions, and what its documents grant. It is the database's for all of its life, and most often
 * its name.
 */
export function metadataIdOf({
  name,
  metadataId,
}: Pick<DatabaseRecord, 'name' | 'metadataId'>): string {
  return metadataId ?? name;
}

/**
 * The record of a new database with its metadata id: that for which its collections are routed,
 * where no other database has it (so users and grants outlive a database that is deleted and made
 * again, by whatever name); else one of its own. `others`: all that share the bucket with it.
 */
export async function withMetadataId(
  record: DatabaseRecord,
  bucket: Bucket,
  others: readonly DatabaseRecord[],
): Promise<DatabaseRecord> {
  const taken = new Set(others.filter(({ name }) => name !== record.name).map(metadataIdOf));
  const metadataId = await freeId(record, bucket, taken);
  return metadataId === record.name ? record : { ...record, metadataId };
}

async function freeId(
  { name, given }: DatabaseRecord,
  bucket: Bucket,
  taken: ReadonlySet<string>,
): Promise<string> {
  for (const collection of claimedCollections(given)) {
    const routing = await readRouting(bucket, collection);
    if (routing !== undefined && !taken.has(routing.metadataId)) return routing.metadataId;
  }
  // NOTE: no name of a database has a colon in it.
  let id = name;
  for (let number = 2; taken.has(id); number += 1) id = `${name}:${number}`;
  return id;
}
