import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { javascriptTimeoutMs } from '../config/database-config.ts';
import type { CollectionContext } from './collection-context.ts';
import { CurrentSyncFunction } from './current-sync-function.ts';
import type { Database } from './database.ts';
import type { OpenBucket } from './open-buckets.ts';
import { functionRecord } from './open-collections.ts';

/** What a task runs over a collection: the function that rules it, or a text that rules nothing. */
export type TaskFunction =
  | { readonly kind: 'ruling' }
  | { readonly kind: 'trial'; readonly source: string };

export interface TaskOpening {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly database: Database;
  readonly openBucket: OpenBucket;
}

/**
 * Collections of a database as a task works on them beside its requests, by `scope.collection`,
 * with functions of their own, which `opening` owns from then on: they stay as they are while the
 * task runs. Throws `unavailable` where none rules a collection yet, `badRequest` for a text that
 * is no function.
 */
export async function contextsForTask(
  { sandbox, clock, database, openBucket: { bucket } }: TaskOpening,
  functions: ReadonlyMap<string, TaskFunction>,
  opening: AsyncDisposableStack,
): Promise<ReadonlyMap<string, CollectionContext>> {
  const { metadataId, config, observer } = database;
  const timeoutMs = javascriptTimeoutMs(config);
  const contexts = new Map<string, CollectionContext>();
  for (const [fullName, which] of functions) {
    const log = observer.log.with({ collection: fullName });
    const options = {
      bucket,
      sandbox,
      record: functionRecord(metadataId, fullName),
      log,
      timeoutMs,
    };
    const syncFunction = opening.use(
      which.kind === 'ruling'
        ? await CurrentSyncFunction.ruling(options)
        : await CurrentSyncFunction.trial(options, which.source),
    );
    contexts.set(fullName, {
      bucket,
      id: await bucket.openCollection(fullName),
      database: metadataId,
      config,
      syncFunction,
      clock,
      observer: { ...observer, keyspace: `${database.name}.${fullName}` },
      refresh: () => Promise.reject(new Error('bug: a task works as the administrator')),
    });
  }
  return contexts;
}
