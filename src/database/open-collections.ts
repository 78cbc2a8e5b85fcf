import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import type { RecordKey } from '../bucket/records.ts';
import type { DatabaseConfig } from '../config/database-config.ts';
import { filtersOf } from '../config/event-handlers.ts';
import { javascriptTimeoutMs } from '../config/database-config.ts';
import type { CollectionConfig } from '../config/scopes.ts';
import { collectionsOf } from '../config/scopes.ts';
import { defaultSyncFunction } from '../sandbox/default-sync-function.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import { CurrentSyncFunction } from './current-sync-function.ts';

/** The numbers of a database's collections, by full name; those that are absent are created. */
export async function collectionIds(
  bucket: Bucket,
  config: DatabaseConfig,
): Promise<ReadonlyMap<string, CollectionId>> {
  const ids = new Map<string, CollectionId>();
  for (const { fullName } of collectionsOf(config))
    ids.set(fullName, await bucket.openCollection(fullName));
  return ids;
}

/** What all collections of a database have in common. */
export type SharedContext = Omit<CollectionContext, 'id' | 'syncFunction'>;

/**
 * The collections of a database, by full name, each with the function that rules it, which
 * `opening` owns from then on. Throws `badRequest` for one that does not compile.
 */
export async function collectionContexts(
  shared: SharedContext,
  sandbox: Sandbox,
  opening: AsyncDisposableStack,
): Promise<ReadonlyMap<string, CollectionContext>> {
  const { bucket, config, database, observer } = shared;
  const contexts = new Map<string, CollectionContext>();
  for (const collection of collectionsOf(config)) {
    const { fullName } = collection;
    const id = await bucket.openCollection(fullName);
    const record = functionRecord(database, fullName);
    const log = observer.log.with({ collection: fullName });
    const timeoutMs = javascriptTimeoutMs(config);
    const syncFunction = opening.use(
      await CurrentSyncFunction.open(
        { bucket, sandbox, record, log, timeoutMs },
        sourceOf(collection),
      ),
    );
    const own = { ...observer, keyspace: `${observer.database}.${fullName}` };
    contexts.set(fullName, { ...shared, observer: own, id, syncFunction });
  }
  return contexts;
}

/** Throws one `badRequest` that tells where in the configuration a function does not compile. */
export async function checkFunctions(config: DatabaseConfig, sandbox: Sandbox): Promise<void> {
  const problems: string[] = [];
  let first: GatewayError | undefined;
  const functions = [
    ...collectionsOf(config).flatMap((collection) => [
      { source: collection.sync, path: collection.syncPath },
      { source: collection.importFilter, path: collection.importFilterPath },
    ]),
    ...filtersOf(config.event_handlers),
  ];
  for (const { source, path } of functions) {
    if (source === '') continue;
    try {
      await sandbox.check(source);
    } catch (cause) {
      if (!isGatewayError(cause, 'badRequest')) throw cause;
      problems.push(`${path}: ${cause.message}`);
      first ??= cause;
    }
  }
  if (first === undefined) return;
  const details = { ...first.details, problems };
  throw new GatewayError('badRequest', problems.join('; '), { details, cause: first });
}

/** Where the function of a collection is kept, of the database with this metadata id. */
export function functionRecord(metadataId: string, fullName: string): RecordKey {
  return { kind: 'sync_function', database: metadataId, id: fullName };
}

/** The function that rules a collection as it is configured. */
export function sourceOf({ name, sync }: CollectionConfig): string {
  return sync === '' ? defaultSyncFunction(name) : sync;
}
