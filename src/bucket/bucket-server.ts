import type { Bucket } from './bucket.ts';

/**
 * Where buckets live: a folder of SQLite files, the memory of this process, later a PostgreSQL
 * server.
 */
export interface BucketServer extends AsyncDisposable {
  /** What `bootstrap.server` said, without secrets. */
  readonly url: string;
  /** Names of the buckets that exist, sorted. */
  list(): Promise<readonly string[]>;
  /**
   * Another text whenever a bucket may have been changed, without opening it; undefined where it is
   * absent.
   */
  stampOf(name: string): Promise<string | undefined>;
  /**
   * Opens a bucket, and creates it where `create` says so; `missing` where it is absent. A bucket
   * opened twice is shared: it closes with the last dispose. One that has `moved` meanwhile is
   * opened anew, and closed for those who still hold it. Throws `badRequest` for a name that is no
   * bucket name, `unavailable` where its schema is newer than this program or it cannot be read.
   */
  open(name: string, options: { readonly create: boolean }): Promise<Bucket>;
}
