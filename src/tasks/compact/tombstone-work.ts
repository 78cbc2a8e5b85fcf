import type { Bucket, CollectionId, StoredDocument } from '../../bucket/bucket.ts';
import { FLAG } from '../../bucket/bucket.ts';
import type { ChangeCache } from '../../changes/change-cache.ts';
import { parseMetadata } from '../../document/sync-metadata.ts';
import type { Observer } from '../../observability/events.ts';
import { tombstonesCompacted } from '../../observability/events.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import type { TaskPart } from '../task-state.ts';
import type { TaskItem, TaskStep, TaskWork } from '../task-work.ts';

/**
 * A tombstone stays so long, seconds: 30 days, the reference's metadata purge interval. A client
 * that was away for longer may bring a document back that was deleted meanwhile.
 */
const TOMBSTONE_KEPT_SECS = 30 * 24 * 3600;

interface TombstoneParts {
  readonly bucket: Bucket;
  readonly cache: ChangeCache;
  /** By `scope.collection`. */
  readonly collections: ReadonlyMap<string, CollectionId>;
  readonly observer: Observer;
  readonly clock: Clock;
}

/** Removes tombstones that are old enough, as if their documents had never been. */
export class TombstoneWork implements TaskWork {
  readonly #parts: TombstoneParts;

  constructor(parts: TombstoneParts) {
    this.#parts = parts;
  }

  async read(part: TaskPart, limit: number): Promise<TaskStep> {
    const { bucket, cache, collections, observer, clock } = this.#parts;
    const collection = must(collections.get(part.collection), 'the parts are of its collections');
    const page = await bucket.scan(collection, {
      ...(part.cursor === '' ? {} : { after: part.cursor }),
      end: part.upTo,
      limit,
      bodies: false,
    });
    const before = Math.floor(clock.now() / 1000) - TOMBSTONE_KEPT_SECS;
    const items = page.map((stored): TaskItem => ({
      key: stored.key,
      ...(isOldTombstone(stored, before)
        ? { change: { kind: 'purge', collection, key: stored.key, ifCas: stored.cas } }
        : {}),
    }));
    return {
      items,
      last: page.at(-1)?.key,
      committed: (done) => {
        let purged = 0;
        for (const [at, { change }] of done.entries()) {
          const metadata = page[at]?.metadata;
          if (change?.kind !== 'purge' || metadata === undefined) continue;
          purged++;
          cache.forget({ collection, key: change.key, seq: metadata.seq });
        }
        if (purged > 0) tombstonesCompacted(observer, purged);
      },
    };
  }
}

/** What a stranger wrote over a tombstone makes a document of it, when it is imported. */
function isOldTombstone({ cas, metadata }: StoredDocument, beforeSecs: number): boolean {
  if (metadata === undefined || (metadata.flags & FLAG.deleted) === 0) return false;
  if (cas !== metadata.cas) return false;
  return parseMetadata(metadata.text, metadata.seq).savedAt < beforeSecs;
}
