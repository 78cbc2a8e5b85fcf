import type { Bucket, CollectionId } from '../bucket/bucket.ts';
import { nextTurn } from '../util/next-turn.ts';
import type { TaskPart } from './task-state.ts';
import { NO_COUNTS } from './task-state.ts';
import type { TaskStore } from './task-store.ts';

/** Documents of a part: some hundreds of milliseconds of work. */
const PART_DOCUMENTS = 5000;
/** Parts that are stored at once. */
const PARTS_STORED_MAX = 500;

/** A part that is no range of documents: `name` stands where a collection's would. */
export function wholePart(name: string): TaskPart {
  const upTo = '\u{10ffff}';
  return { collection: name, cursor: '', upTo, done: false, counts: NO_COUNTS, errors: [] };
}

/**
 * Cuts collections into parts of one size, by a walk over their keys, and stores them for a run,
 * with `others`. How many documents there are.
 */
export async function planParts(
  store: TaskStore,
  run: string,
  {
    collections,
    others = [],
  }: {
    readonly collections: ReadonlyMap<string, CollectionId>;
    readonly others?: readonly TaskPart[] | undefined;
  },
): Promise<number> {
  let targeted = 0;
  let number = 0;
  let parts: TaskPart[] = [...others];
  for (const [collection, id] of collections)
    for await (const { part, count } of cut(store.bucket, { collection, id })) {
      targeted += count;
      parts.push(part);
      if (parts.length < PARTS_STORED_MAX) continue;
      await store.addParts(run, number, parts);
      number += parts.length;
      parts = [];
    }
  await store.addParts(run, number, parts);
  return targeted;
}

async function* cut(
  bucket: Bucket,
  { collection, id }: { readonly collection: string; readonly id: CollectionId },
): AsyncGenerator<{ readonly part: TaskPart; readonly count: number }> {
  let cursor = '';
  for (;;) {
    const { count, last } = await bucket.countKeys(id, { after: cursor, limit: PART_DOCUMENTS });
    if (last === undefined) return;
    const part = { collection, cursor, upTo: last, done: false, counts: NO_COUNTS, errors: [] };
    yield { part, count };
    cursor = last;
    await nextTurn();
  }
}
