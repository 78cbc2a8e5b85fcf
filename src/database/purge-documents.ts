import { BATCH_MAX } from '../bucket/bucket.ts';
import type { StoredDocument } from '../bucket/bucket.ts';
import type { ChangeCache } from '../changes/change-cache.ts';
import { parseDocId } from '../document/doc-id.ts';
import type { DocId } from '../document/types.ts';
import { documentsPurged } from '../observability/events.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';

/** How often documents are looked at anew that somebody changes meanwhile. */
const ATTEMPTS_MAX = 50;

/**
 * Removes documents for good, with their revisions, attachments and grants, as if they had never
 * been: no feed tells of it. Gives the ids of those that were there; what is no document id is no
 * document. Throws what the bucket throws: then some may be gone.
 */
export async function purgeDocuments(
  context: CollectionContext,
  cache: ChangeCache,
  { ids, signal }: { readonly ids: readonly string[]; readonly signal: AbortSignal },
): Promise<readonly DocId[]> {
  const keys = ids.flatMap(docIdOrNone);
  const purged: DocId[] = [];
  for (let at = 0; at < keys.length; at += BATCH_MAX) {
    let left: readonly DocId[] = keys.slice(at, at + BATCH_MAX);
    for (let attempt = 0; left.length > 0; attempt++) {
      signal.throwIfAborted();
      if (attempt === ATTEMPTS_MAX)
        throw new GatewayError('unavailable', 'the documents are being changed too often');
      const stored = await context.bucket.getMany(context.id, left);
      const found = stored.filter((document) => document !== undefined);
      const gone = new Set(await purge(context, cache, found));
      purged.push(...gone);
      left = found.flatMap(({ key }) => (gone.has(key) ? [] : [key]));
    }
  }
  if (purged.length > 0) documentsPurged(context.observer, purged);
  return purged;
}

/** Those that were still as they had been read. */
async function purge(
  { bucket, id: collection }: CollectionContext,
  cache: ChangeCache,
  documents: readonly StoredDocument[],
): Promise<readonly DocId[]> {
  const results = await bucket.commit(
    documents.map(({ key, cas }) => ({ kind: 'purge', collection, key, ifCas: cas })),
  );
  return documents.flatMap(({ key, metadata }, index) => {
    if (results[index]?.ok !== true) return [];
    if (metadata !== undefined) cache.forget({ collection, key, seq: metadata.seq });
    return [key];
  });
}

function docIdOrNone(text: string): readonly DocId[] {
  try {
    return [parseDocId(text)];
  } catch (cause) {
    if (isGatewayError(cause, 'badRequest')) return [];
    throw cause;
  }
}
