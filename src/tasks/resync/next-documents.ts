import type { StoredDocument } from '../../bucket/bucket.ts';
import type { CollectionContext } from '../../database/collection-context.ts';
import type { TaskPart } from '../task-state.ts';

/** Bodies of a step; one more document may go past it. */
const STEP_CHARS = 4 * 1024 * 1024;

/** The next documents of a part, at most `limit`, after its cursor, with their bodies. */
export function nextDocuments(
  { bucket, id }: Pick<CollectionContext, 'bucket' | 'id'>,
  { cursor, upTo }: TaskPart,
  limit: number,
): Promise<readonly StoredDocument[]> {
  return bucket.scan(id, {
    ...(cursor === '' ? {} : { after: cursor }),
    end: upTo,
    limit,
    bodies: true,
    charsMax: STEP_CHARS,
  });
}
