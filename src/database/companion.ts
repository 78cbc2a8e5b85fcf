import type { Bucket } from '../bucket/bucket.ts';
import type { ClusterMember } from '../cluster/cluster-member.ts';
import type { DatabaseConfig } from '../config/database-config.ts';
import type { Observer } from '../observability/events.ts';
import type { CollectionContext } from './collection-context.ts';
import type { StateChange } from './database-states.ts';

/**
 * What hangs on to the databases of a gateway and lives with them, from a layer above: events and
 * whatever else works beside the requests. The database knows no more of it than this.
 */
export interface DatabaseCompanion {
  /**
   * A database is about to serve with this configuration: what must be in place before its first
   * request is, when this resolves. Work goes on until `closing` aborts; what is returned is
   * disposed of, and awaited, before the database and its bucket are closed. Of an old opening and
   * the new one that takes its place, both may be there for a while. What is thrown keeps the
   * database from going online.
   */
  start(opening: ServingDatabase): Promise<AsyncDisposable>;
  /** A transition has happened. Must be quick and not throw. */
  stateChanged?(database: ServedBy, change: StateChange): void;
  /** It serves, or would while it is offline, by another configuration. As `stateChanged`. */
  configured?(database: ServedBy): void;
  /** It is served no more: deleted, or the gateway stops. */
  forgotten?(database: string): void;
}

/** One opening of a database, that serves. */
export interface ServingDatabase {
  readonly name: string;
  /** Another one of the same name may have been there before. */
  readonly createdAt: string;
  readonly config: DatabaseConfig;
  readonly bucket: Bucket;
  /** This process among those that share it. */
  readonly member: ClusterMember;
  /** By `scope.collection`. */
  readonly collections: ReadonlyMap<string, CollectionContext>;
  readonly observer: Observer;
  /** Aborts when this opening ends. */
  readonly closing: AbortSignal;
}

/** A database on this node, in whatever state. */
export interface ServedBy {
  readonly name: string;
  readonly config: DatabaseConfig;
  /** Of the configuration: another one with every change. */
  readonly version: string;
  /** Undefined while it cannot be opened. */
  readonly bucket: Bucket | undefined;
  readonly observer: Observer;
}
