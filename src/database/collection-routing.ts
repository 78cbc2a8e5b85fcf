import { z } from 'zod';
import type { Bucket, RecordChange } from '../bucket/bucket.ts';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { Cas } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';

/**
 * For which database the documents of a collection are routed: what they grant is kept under its
 * metadata id. A collection that another database takes over has to be resynced before it is
 * served, so that its documents grant to the users of that one.
 */
export interface CollectionRouting {
  readonly metadataId: string;
  /** False from the beginning of a resync that takes it over until all documents are routed. */
  readonly isWhole: boolean;
}

export interface StoredRouting extends CollectionRouting {
  readonly cas: Cas;
}

const schema = z.object({ metadataId: z.string(), isWhole: z.boolean() });

/** Undefined where no database has served the collection. Throws `corrupt`. */
export async function readRouting(
  bucket: Bucket,
  fullName: string,
): Promise<StoredRouting | undefined> {
  const stored = await bucket.getRecord(keyOf(fullName));
  if (stored === undefined) return undefined;
  const parsed = schema.safeParse(JSON.parse(stored.value));
  if (!parsed.success)
    throw new GatewayError('corrupt', `the record of who serves ${fullName} is unreadable`);
  return { ...parsed.data, cas: stored.cas };
}

/** Those of the collections that are not routed, or not all, for this database. */
export async function routedForOthers(
  bucket: Bucket,
  metadataId: string,
  fullNames: readonly string[],
): Promise<readonly string[]> {
  return (await look(bucket, metadataId, fullNames)).others;
}

/**
 * As `routedForOthers`; those that no database has served are this one's from then on, if all the
 * others are.
 */
export async function claimRouting(
  bucket: Bucket,
  metadataId: string,
  fullNames: readonly string[],
): Promise<readonly string[]> {
  const { others, unclaimed } = await look(bucket, metadataId, fullNames);
  if (others.length > 0 || unclaimed.length === 0) return others;
  for (let at = 0; at < unclaimed.length; at += BATCH_MAX)
    await bucket.commit(
      unclaimed
        .slice(at, at + BATCH_MAX)
        .map((name) => routingChange(name, { metadataId, isWhole: true }, 'absent')),
    );
  // Another process may have been faster, for this database or for another.
  return routedForOthers(bucket, metadataId, fullNames);
}

/** A resync for this database has gone through all documents of the collection. */
export async function routingIsWhole(
  bucket: Bucket,
  metadataId: string,
  fullName: string,
): Promise<void> {
  const stored = await readRouting(bucket, fullName);
  // NOTE: what another database has begun to take over meanwhile is not whole.
  if (stored === undefined || stored.metadataId !== metadataId || stored.isWhole) return;
  await bucket.commit([routingChange(fullName, { metadataId, isWhole: true }, stored.cas)]);
}

export function routingChange(
  fullName: string,
  routing: CollectionRouting,
  ifCas: Cas | 'absent',
): RecordChange {
  const value = JSON.stringify(routing);
  return { kind: 'record', record: keyOf(fullName), ifCas, value, expiry: 0 };
}

async function look(
  bucket: Bucket,
  metadataId: string,
  fullNames: readonly string[],
): Promise<{ readonly others: readonly string[]; readonly unclaimed: readonly string[] }> {
  const others: string[] = [];
  const unclaimed: string[] = [];
  for (const name of fullNames) {
    const routing = await readRouting(bucket, name);
    if (routing === undefined) unclaimed.push(name);
    else if (routing.metadataId !== metadataId || !routing.isWhole) others.push(name);
  }
  return { others, unclaimed };
}

const keyOf = (fullName: string): RecordKey => ({
  kind: 'collection_routing',
  database: '',
  id: fullName,
});
