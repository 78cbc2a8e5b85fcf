import type { StoredDocument } from '../bucket/bucket.ts';
import type { Cas, DocId } from '../document/types.ts';
import type { Reader } from '../principals/access.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { currentDocument } from './current-document.ts';
import { isForeign } from './foreign-content.ts';
import { importNow } from './import-document.ts';

/** A document with everything taken in that strangers wrote of it, as far as that may be. */
export interface LoadedDocument {
  /** As the gateway knows it; undefined where it has no such document. */
  readonly current: CurrentDocument | undefined;
  /** What the store has: a change of the document states it. */
  readonly cas: Cas | 'absent';
  /**
   * A stranger wrote it last, and that is not taken in: clients see nothing of it, whatever it was
   * before.
   */
  readonly isHidden: boolean;
  /** It was taken in just now: by that, anybody's access may be another one. */
  readonly wasImported: boolean;
  /** As applications keep them. */
  readonly xattrs: string | null;
}

const ABSENT: LoadedDocument = {
  current: undefined,
  cas: 'absent',
  isHidden: false,
  wasImported: false,
  xattrs: null,
};

/** How often a document is looked at anew that strangers go on writing. */
const ATTEMPTS_MAX = 50;

/**
 * For every read and write of a document by its id: where a stranger wrote it, that is taken in
 * first, whether or not this node imports otherwise. Rejects with `unavailable` where the store
 * cannot be written now, or is written too fast.
 */
export function loadImported(context: CollectionContext, key: DocId): Awaitable<LoadedDocument> {
  const stored = context.bucket.get(context.id, key);
  if (stored === undefined) return ABSENT;
  if (stored instanceof Promise || isForeign(stored)) return importFirst(context, key, stored);
  return loadedFrom(stored, { isHidden: false, wasImported: false });
}

async function importFirst(
  context: CollectionContext,
  key: DocId,
  first: Awaitable<StoredDocument | undefined>,
): Promise<LoadedDocument> {
  let stored = await first;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const wasImported = attempt > 0;
    if (stored === undefined) return { ...ABSENT, wasImported };
    const isHidden = isForeign(stored);
    if (!isHidden || (await importNow(context, stored)) === 'refused')
      return loadedFrom(stored, { isHidden, wasImported });
    stored = await context.bucket.get(context.id, key);
  }
  throw new GatewayError('unavailable', 'the document is being written too often; try again');
}

function loadedFrom(
  stored: StoredDocument,
  taken: Pick<LoadedDocument, 'isHidden' | 'wasImported'>,
): LoadedDocument {
  const { cas, metadata, xattrs } = stored;
  const current = metadata === undefined ? undefined : currentDocument(stored, metadata);
  const { isHidden, wasImported } = taken;
  return { current, cas, isHidden, wasImported, xattrs };
}

/** As `loadImported`. Throws `missing` where clients see no such document. */
export async function loadVisible(
  context: CollectionContext,
  key: DocId,
): Promise<CurrentDocument> {
  return visible(await loadImported(context, key));
}

/** As `loadVisible`, with the reader as it is after the import. */
export function loadForReader(
  context: CollectionContext,
  key: DocId,
  reader: Reader,
): Awaitable<LoadedForReader> {
  const loaded = loadImported(context, key);
  if (loaded instanceof Promise) return afterImport(context, loaded, reader);
  return { current: visible(loaded), reader };
}

export interface LoadedForReader {
  readonly current: CurrentDocument;
  readonly reader: Reader;
}

async function afterImport(
  context: CollectionContext,
  loading: Promise<LoadedDocument>,
  reader: Reader,
): Promise<LoadedForReader> {
  const loaded = await loading;
  const current = visible(loaded);
  if (!loaded.wasImported || reader.kind === 'admin') return { current, reader };
  return { current, reader: await context.refresh(reader.access) };
}

function visible({ current, isHidden }: LoadedDocument): CurrentDocument {
  if (isHidden) throw new GatewayError('missing', 'Not imported');
  if (current === undefined) throw new GatewayError('missing', 'missing');
  return current;
}
