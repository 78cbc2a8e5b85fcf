import type { Bucket } from '../bucket/bucket.ts';
import { collectionsOf } from '../config/scopes.ts';
import { GatewayError } from '../util/errors.ts';
import { claimRouting, readRouting, routedForOthers, routingChange } from './collection-routing.ts';
import type { Configuration } from './configuration.ts';
import { metadataIdOf } from './metadata-id.ts';
import { functionRecord } from './open-collections.ts';
import type { ServedParts } from './served-parts.ts';

/**
 * A database does not serve collections whose documents are routed for another one: its users would
 * have nothing of what they grant. It is held offline until a resync has routed them for it.
 */

/** Collections that must be resynced before the database may serve. */
export async function requireResync(
  { held }: Pick<ServedParts, 'held'>,
  configuration: Configuration,
): Promise<readonly string[]> {
  const { bucket } = await held.take();
  return routedForOthers(bucket, ...collectionsIn(configuration));
}

/** Why it may not serve; undefined where it may, and its collections are its own from then on. */
export async function reasonToHold(
  { held }: Pick<ServedParts, 'held'>,
  configuration: Configuration,
): Promise<string | undefined> {
  const { bucket } = await held.take();
  const others = await claimRouting(bucket, ...collectionsIn(configuration));
  if (others.length === 0) return undefined;
  const { name } = configuration.stored.record;
  return (
    `what it serves in ${others.join(', ')} is routed for another database: ` +
    `it needs POST /${name}/_resync, and then POST /${name}/_online`
  );
}

/**
 * Before the first document is routed for this database: from then on the collections are no other
 * database's any more, and nothing that a process judges by the function of another one is
 * committed.
 */
export async function takeOver(
  { held }: Pick<ServedParts, 'held'>,
  configuration: Configuration,
): Promise<void> {
  const { bucket } = await held.take();
  const [metadataId, fullNames] = collectionsIn(configuration);
  for (const fullName of await routedForOthers(bucket, metadataId, fullNames))
    if (!(await takeOne(bucket, metadataId, fullName)))
      throw new GatewayError('unavailable', `${fullName} is being taken over elsewhere; try again`);
}

/** Whether it is this database's now. */
async function takeOne(bucket: Bucket, metadataId: string, fullName: string): Promise<boolean> {
  const before = await readRouting(bucket, fullName);
  // Another process of this database has begun, or even ended, the same resync.
  if (before === undefined || before.metadataId === metadataId) return true;
  const former = functionRecord(before.metadataId, fullName);
  const [taken] = await bucket.commit([
    {
      kind: 'batch',
      changes: [
        routingChange(fullName, { metadataId, isWhole: false }, before.cas),
        { kind: 'record', record: former, value: null, expiry: 0 },
      ],
    },
  ]);
  return taken?.ok === true || (await readRouting(bucket, fullName))?.metadataId === metadataId;
}

function collectionsIn({
  stored,
  parsed,
}: Configuration): readonly [metadataId: string, fullNames: readonly string[]] {
  const fullNames = collectionsOf(parsed.config).map(({ fullName }) => fullName);
  return [metadataIdOf(stored.record), fullNames];
}
