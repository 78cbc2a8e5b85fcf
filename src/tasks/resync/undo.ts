import type { Bucket } from '../../bucket/bucket.ts';
import { functionValue } from '../../database/function-history.ts';
import { functionRecord, sourceOf } from '../../database/open-collections.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { GatewayError } from '../../util/errors.ts';
import { collectionConfig } from '../asked-functions.ts';
import type { TaskStore } from '../task-store.ts';
import type { ResyncRequest } from './resync-request.ts';
import { resyncAskedSchema } from './resync-request.ts';
import { byScope } from './resync-view.ts';

/**
 * The request that takes the last resync back: the same collections, with the functions that they
 * had before, online where it ran online, unless `online` says otherwise. Throws `conflict` where
 * there is nothing to take back: none ever ran, no other function is kept, or the functions have
 * been changed since.
 */
export async function undoRequest(
  store: TaskStore,
  served: ServedDatabase,
  { online }: { readonly online: boolean | undefined },
): Promise<ResyncRequest> {
  const task = await store.read(served.current.record.createdAt);
  if (task === undefined) throw nothing('no resync of the database has ever run');
  const asked = resyncAskedSchema.parse(task.state.asked);
  const { collections, former } = asked;
  if (Object.keys(former).length === 0)
    throw nothing('no former function of its collections is kept');
  const changed: string[] = [];
  for (const name of collections)
    if (!(await isFunctionOf(store.bucket, served, { name, cas: asked.functions[name] })))
      changed.push(name);
  if (changed.length > 0)
    throw nothing(
      `the sync function of ${changed.join(', ')} was changed after the resync; ` +
        'start one for the function that is wanted',
    );
  return {
    scopes: byScope(collections),
    functions: former,
    regenerateSequences: false,
    reset: false,
    online: online ?? asked.online,
  };
}

/** Whether a collection still has that version of its function, stored and configured. */
async function isFunctionOf(
  bucket: Bucket,
  { current }: ServedDatabase,
  { name, cas }: { readonly name: string; readonly cas: number | undefined },
): Promise<boolean> {
  const stored = await bucket.getRecord(functionRecord(current.metadataId, name));
  const configured = functionValue(sourceOf(collectionConfig(current.config, name)));
  return stored?.cas === cas && stored?.value === configured;
}

function nothing(why: string): GatewayError {
  return new GatewayError('conflict', `nothing to undo: ${why}`);
}
