import type { Observer } from '../observability/events.ts';
import type { ConfigRecords } from './config-records.ts';
import type { Configuration } from './configuration.ts';
import { ConfigurationStore } from './configuration-store.ts';
import type { Database } from './database.ts';
import { DatabaseStates } from './database-states.ts';
import { DEFAULT_GROUP, recordsOfGroup } from './group-records.ts';
import { HeldBucket } from './held-bucket.ts';
import type { OpenBuckets } from './open-buckets.ts';
import type { DatabaseServices } from './open-database.ts';
import { openDatabase } from './open-database.ts';

/** Which database is served. */
export interface ServedOptions {
  readonly buckets: OpenBuckets;
  readonly name: string;
  readonly bucketName: string;
  /** Where its configuration is kept where that is not its bucket. */
  readonly local?: ConfigRecords | undefined;
}

/** What a database has for all of its life on this node, in whatever state and configuration. */
export interface ServedParts {
  readonly services: DatabaseServices;
  readonly held: HeldBucket;
  readonly store: ConfigurationStore;
  readonly observer: Observer;
  readonly states: DatabaseStates;
  readonly startedMs: number;
}

/** `opening` gives them back where the rest fails. Throws as `HeldBucket.take`. */
export async function openParts(
  services: DatabaseServices,
  { buckets, name, bucketName, local }: ServedOptions,
  opening: AsyncDisposableStack,
): Promise<ServedParts> {
  const { clock, metrics, log, audit, group = DEFAULT_GROUP } = services;
  metrics.addDatabase(name);
  opening.defer(() => metrics.removeDatabase(name));
  const observer = { database: name, log: log.with({ db: name }), metrics, audit };
  const held = new HeldBucket(buckets, bucketName);
  await held.take();
  opening.defer(() => held.release());
  const records = async (): Promise<ConfigRecords> =>
    local ?? recordsOfGroup((await held.take()).bucket, group);
  return {
    services,
    held,
    store: new ConfigurationStore({ services, name, bucketName, records }),
    observer,
    states: new DatabaseStates(observer, clock),
    startedMs: clock.now(),
  };
}

/** One opening of it, by a configuration. Throws as `openDatabase` and `HeldBucket.take`. */
export async function openServed(
  { services, held, observer, states, startedMs }: ServedParts,
  { configuration, serving }: { readonly configuration: Configuration; readonly serving: boolean },
): Promise<Database> {
  const { stored, parsed } = configuration;
  return openDatabase(services, await held.take(), {
    record: stored.record,
    parsed,
    states,
    observer,
    startedMs,
    serving,
  });
}
