import type { DatabaseConfig } from '../config/database-config.ts';
import type { Observer } from '../observability/events.ts';
import type { CollectionContext } from './collection-context.ts';
import type { Configuration } from './configuration.ts';
import { metadataIdOf } from './metadata-id.ts';
import type { OpenBucket } from './open-buckets.ts';
import { collectionContexts } from './open-collections.ts';
import type { DatabaseServices } from './open-database.ts';

/** A database as a resync works on it: it serves nobody, and its functions are compiled. */
export interface ResyncOpening {
  readonly openBucket: OpenBucket;
  readonly database: string;
  readonly config: DatabaseConfig;
  /** By `scope.collection`. */
  readonly contexts: ReadonlyMap<string, CollectionContext>;
  readonly observer: Observer;
  /**
   * Aborts when this process must leave the resync: it is closed, or the database is deleted; with
   * a GatewayError as reason where the resync cannot go on at all.
   */
  readonly signal: AbortSignal;
}

/** What `opening` owns from then on. Throws `badRequest` for a function that does not compile. */
export async function openForResync(
  services: DatabaseServices,
  parts: {
    readonly openBucket: OpenBucket;
    readonly configuration: Configuration;
    readonly observer: Observer;
    readonly signal: AbortSignal;
  },
  opening: AsyncDisposableStack,
): Promise<ResyncOpening> {
  const { openBucket, configuration, observer, signal } = parts;
  const { record } = configuration.stored;
  const { config } = configuration.parsed;
  const shared = {
    bucket: openBucket.bucket,
    database: metadataIdOf(record),
    config,
    clock: services.clock,
    observer,
    refresh: () => Promise.reject(new Error('bug: only the administrator resyncs')),
  };
  return {
    openBucket,
    database: record.name,
    config,
    contexts: await collectionContexts(shared, services.sandbox, opening),
    observer,
    signal,
  };
}
