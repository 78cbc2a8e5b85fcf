import type { Cas, DocId } from '../document/types.ts';
import type { CollectionId } from './bucket.ts';

/**
 * Removes a document with everything kept of it, as if it had never been; takes no sequence of its
 * own. Grants that it made end, and their end takes the next sequence, so that all learn of it.
 */
export interface PurgeChange {
  readonly kind: 'purge';
  readonly collection: CollectionId;
  readonly key: DocId;
  /** Where absent, whatever is there goes; a document that does not exist is then a success too. */
  readonly ifCas?: Cas;
}
