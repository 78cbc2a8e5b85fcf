import type { AccessPrecondition, CollectionId } from '../bucket/bucket.ts';
import type { Sequence } from '../document/types.ts';

/** What a listener is woken for. */
export interface Interest {
  readonly collection: CollectionId;
  readonly channels: readonly string[] | 'all';
  /** The principals by whose access it reads, as `principalMarks` names them. */
  readonly principals: readonly string[];
  /**
   * What the cache found out last: nothing of it changed after `after`, up to `upTo`. It has a
   * thousand channels, maybe, and is asked about at every poll.
   */
  unchanged?: { readonly after: Sequence; readonly upTo: Sequence };
}

/** The names under which the changes of these principals are marked, of whatever database. */
export function principalMarks({ database, principals }: AccessPrecondition): readonly string[] {
  return principals.map((principal) => `${database} ${principal}`);
}
