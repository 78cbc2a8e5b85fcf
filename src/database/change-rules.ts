import type { CollectionContext } from './collection-context.ts';
import { nowSecs } from './collection-context.ts';
import type { ChangeRules } from './document-change.ts';

/** How the documents of a collection are written now. */
export function changeRules(context: CollectionContext): ChangeRules {
  const { id, database, config } = context;
  return {
    collection: id,
    database,
    revsLimit: config.revs_limit,
    oldRevExpirySecs: config.old_rev_expiry_seconds,
    backsUp: config.enable_shared_bucket_access && config.import_backup_old_rev,
    nowSecs: nowSecs(context),
  };
}
