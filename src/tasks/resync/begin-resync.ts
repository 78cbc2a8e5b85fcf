import type { Bucket } from '../../bucket/bucket.ts';
import { setFunctions } from '../../database/config-change.ts';
import { collectionIds, functionRecord } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { must } from '../../util/assert.ts';
import { GatewayError } from '../../util/errors.ts';
import { collectionConfig, collectionsAsked, functionsAsked } from '../asked-functions.ts';
import { beginTask } from '../begin-task.ts';
import type { StoredTask, TaskStore } from '../task-store.ts';
import { formerFunctions } from './former-functions.ts';
import type { ResyncRequest } from './resync-request.ts';
import { isSameRun, resyncAskedSchema } from './resync-request.ts';

/**
 * Configures the functions that a request brings along: the cut-over, from which on they judge all
 * writes. Throws `badRequest` for what is no function, with nothing changed.
 */
export async function setAskedFunctions(
  served: ServedDatabase,
  request: ResyncRequest,
): Promise<void> {
  const { config } = served.current;
  const byPath = Array.from(functionsAsked(config, request), ([name, source]) => ({
    ...collectionConfig(config, name),
    source,
  }))
    // NOTE: every change ends feeds.
    .filter(({ sync, source }) => sync !== source)
    .map(({ syncPath, source }) => [syncPath.split('.'), source] as const);
  if (byPath.length === 0) return;
  await served.configure(setFunctions(byPath), () => true);
}

/**
 * Begins a run of the functions that are stored, or goes on with one that ended early and was of
 * the same: by another function all documents have to be looked at. Throws `unavailable` where one
 * is running.
 */
export async function beginResync(
  store: TaskStore,
  served: ServedDatabase,
  { request, nowMs }: { readonly request: ResyncRequest; readonly nowMs: number },
): Promise<StoredTask> {
  const { config, record } = served.current;
  const collections = collectionsAsked(config, request);
  const ids = await collectionIds(store.bucket, config);
  const asked = {
    collections,
    regenerateSequences: request.regenerateSequences,
    functions: await functionVersions(store.bucket, served.current.metadataId, collections),
    online: request.online,
    former: await formerFunctions(served, collections),
  };
  return beginTask(store, {
    databaseCreatedAt: record.createdAt,
    asked,
    collections: new Map(
      collections.map((name) => [name, must(ids.get(name), 'the collections are of the database')]),
    ),
    goesOn: (before) => !request.reset && isSameRun(resyncAskedSchema.parse(before.asked), asked),
    nowMs,
  });
}

/** The versions of the functions that rule, by collection. */
async function functionVersions(
  bucket: Bucket,
  metadataId: string,
  collections: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const versions: Record<string, number> = {};
  for (const name of collections) {
    const stored = await bucket.getRecord(functionRecord(metadataId, name));
    if (stored === undefined)
      throw new GatewayError('unavailable', `no sync function of ${name} is stored yet`);
    versions[name] = stored.cas;
  }
  return versions;
}
