import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import type { DatabaseConfig } from '../config/database-config.ts';
import type { Observer } from '../observability/events.ts';
import type { Reader, UserAccess } from '../principals/access.ts';
import type { Clock } from '../util/clock.ts';
import type { CurrentSyncFunction } from './current-sync-function.ts';
import type { ImportRules } from './import-rules.ts';

/** What reading and writing the documents of one collection takes. */
export interface CollectionContext {
  readonly bucket: Bucket;
  readonly id: CollectionId;
  /** Metadata id of the database: grants and records are kept under it. */
  readonly database: string;
  readonly config: DatabaseConfig;
  readonly syncFunction: CurrentSyncFunction;
  /** What decides about foreign writes. Undefined: none is taken in. */
  readonly imports?: ImportRules | undefined;
  readonly clock: Clock;
  readonly observer: Observer;
  /** The same user with its rights of now. Throws `unauthorized` where it is gone or disabled. */
  refresh(access: UserAccess): Promise<Reader>;
}

/** Unix seconds. */
export function nowSecs({ clock }: Pick<CollectionContext, 'clock'>): number {
  return Math.floor(clock.now() / 1000);
}
