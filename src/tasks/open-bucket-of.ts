import type { OpenBucket } from '../database/open-buckets.ts';
import type { ServedDatabase } from '../database/served-database.ts';
import { GatewayError } from '../util/errors.ts';

/** What tasks of a database work on. Throws `unavailable` while its bucket is away. */
export function openBucketOf({ openBucket }: ServedDatabase): OpenBucket {
  if (openBucket !== undefined) return openBucket;
  throw new GatewayError('unavailable', 'the bucket of the database is away; try again');
}
