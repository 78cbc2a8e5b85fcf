import { z } from 'zod';
import { BATCH_MAX } from '../bucket/bucket.ts';
import type { ServingDatabase } from '../database/companion.ts';
import type { DocId } from '../document/types.ts';
import { GatewayError } from '../util/errors.ts';

const rejected = z.object({
  keyspace: z.string(),
  id: z.string(),
  by: z.enum(['filter', 'function', 'body']).meta({
    description: 'The import filter, the sync function, or it can be no document.',
  }),
  reason: z.string(),
  at: z.string(),
});

export const rejectedPage = z.object({
  rejected: z.array(rejected),
  next: z.string().optional().meta({ description: '`after` of the next page; absent: the last.' }),
});

/** The most rows of one page. */
export const REJECTED_ROWS_MAX = BATCH_MAX - 1;

/** Between the name of a collection and an id, in the mark of a page over several collections. */
const MARK = ':';

/**
 * A page of the documents that were not taken in, by collection and id. `collection`: its full
 * name; undefined: all that the database serves. Throws `missing` for no such collection,
 * `badRequest` for a mark of no page, and what the bucket throws.
 */
export async function rejectedDocuments(
  { name, bucket, collections }: ServingDatabase,
  asked: {
    readonly collection: string | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  },
): Promise<z.infer<typeof rejectedPage>> {
  const all = [...collections.keys()].toSorted();
  const names = asked.collection === undefined ? all : [asked.collection];
  const [only, ...others] = names;
  const isOfOne = others.length === 0;
  let from = isOfOne ? { collection: only, after: asked.after } : parseMark(asked.after);
  const rows: z.infer<typeof rejected>[] = [];
  for (const fullName of names) {
    if (from.collection !== undefined && fullName < from.collection) continue;
    const context = collections.get(fullName);
    if (context === undefined)
      throw new GatewayError('missing', `the database has no collection ${fullName}`);
    const after = fullName === from.collection ? from.after : undefined;
    from = { collection: undefined, after: undefined };
    // One more tells whether there is another page.
    const limit = Math.min(asked.limit - rows.length + 1, BATCH_MAX);
    const page = await bucket.foreignWrites.listRejected(context.id, {
      limit,
      ...(after === undefined ? {} : { after: after as DocId }),
    });
    for (const { key: id, rejectedAs: by, reason, atMs } of page) {
      const last = rows.at(-1);
      if (rows.length >= asked.limit && last !== undefined)
        return { rejected: rows, next: isOfOne ? last.id : markOf(name, last) };
      const at = new Date(atMs).toISOString();
      rows.push({ keyspace: `${name}.${fullName}`, id, by, reason, at });
    }
  }
  return { rejected: rows };
}

function markOf(database: string, { keyspace, id }: z.infer<typeof rejected>): string {
  return `${keyspace.slice(database.length + 1)}${MARK}${id}`;
}

function parseMark(mark: string | undefined): {
  readonly collection: string | undefined;
  readonly after: string | undefined;
} {
  if (mark === undefined) return { collection: undefined, after: undefined };
  const at = mark.indexOf(MARK);
  if (at === -1) {
    const reason = 'the query parameter after: must be `next` of another page of this list';
    throw new GatewayError('badRequest', reason);
  }
  return { collection: mark.slice(0, at), after: mark.slice(at + 1) };
}
