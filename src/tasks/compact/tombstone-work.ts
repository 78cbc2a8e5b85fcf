import type { Bucket, CollectionId, StoredDocument } from '../../bucket/bucket.ts';
import { FLAG } from '../../bucket/bucket.ts';
import type { ListedEndedGrants } from '../../bucket/upkeep.ts';
import type { ChangeCache } from '../../changes/change-cache.ts';
import { mergedStays } from '../../document/merged-stays.ts';
import { formatMetadata, parseMetadata } from '../../document/sync-metadata.ts';
import type { Sequence } from '../../document/types.ts';
import { ZERO } from '../../document/types.ts';
import type { Observer } from '../../observability/events.ts';
import { tombstonesCompacted } from '../../observability/events.ts';
import { parseUserRecord } from '../../principals/principal-record.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import { wholePart } from '../plan-parts.ts';
import type { TaskPart } from '../task-state.ts';
import type { TaskItem, TaskStep, TaskWork } from '../task-work.ts';
import { sequenceBefore } from './sequence-times.ts';

/**
 * A tombstone stays so long: 30 days, the reference's metadata purge interval. A client that was
 * away for longer may bring a document back that was deleted meanwhile.
 */
export const HISTORY_KEPT_MS = 30 * 24 * 3600 * 1000;

/** The part of the users and roles. */
const PRINCIPALS = '';
export const PRINCIPALS_PART: TaskPart = wholePart(PRINCIPALS);

interface TombstoneParts {
  readonly bucket: Bucket;
  readonly cache: ChangeCache;
  /** By `scope.collection`. */
  readonly collections: ReadonlyMap<string, CollectionId>;
  /** Under what the bucket keeps the users and grants of the database. */
  readonly metadataId: string;
  readonly observer: Observer;
  readonly clock: Clock;
  /** Nothing is changed, and counted what would be. */
  readonly dryRun: boolean;
}

/**
 * Removes tombstones that are old enough, as if their documents had never been. On the way it
 * shortens what else is remembered of that time: earlier stays of documents in channels, and ended
 * grants. Those are merged, and never forgotten, so that everybody is still told of what it lost.
 */
export class TombstoneWork implements TaskWork {
  readonly #parts: TombstoneParts;

  constructor(parts: TombstoneParts) {
    this.#parts = parts;
  }

  async read(part: TaskPart, limit: number): Promise<TaskStep> {
    const { bucket, clock } = this.#parts;
    const beforeMs = clock.now() - HISTORY_KEPT_MS;
    const upTo = await sequenceBefore(bucket, beforeMs);
    if (part.collection === PRINCIPALS) return this.#readGrants(part, limit, upTo);
    return this.#readDocuments(part, limit, { beforeSecs: Math.floor(beforeMs / 1000), upTo });
  }

  async #readDocuments(
    part: TaskPart,
    limit: number,
    old: { readonly beforeSecs: number; readonly upTo: Sequence },
  ): Promise<TaskStep> {
    const { bucket, cache, collections, observer } = this.#parts;
    const collection = must(collections.get(part.collection), 'the parts are of its collections');
    const page = await bucket.scan(collection, {
      ...(part.cursor === '' ? {} : { after: part.cursor }),
      end: part.upTo,
      limit,
      bodies: false,
    });
    const sequences = new Map(page.map(({ key, metadata }) => [key as string, metadata?.seq]));
    return {
      items: page.flatMap((stored) => this.#items(stored, collection, old)),
      last: page.at(-1)?.key,
      committed: (done) => {
        let purged = 0;
        for (const { change } of done) {
          if (change?.kind !== 'purge') continue;
          purged++;
          const seq = sequences.get(change.key);
          if (seq !== undefined) cache.forget({ collection, key: change.key, seq });
        }
        if (purged > 0) tombstonesCompacted(observer, purged);
      },
    };
  }

  #items(
    stored: StoredDocument,
    collection: CollectionId,
    { beforeSecs, upTo }: { readonly beforeSecs: number; readonly upTo: Sequence },
  ): readonly TaskItem[] {
    const { key, cas } = stored;
    const { dryRun } = this.#parts;
    if (isOldTombstone(stored, beforeSecs)) {
      if (dryRun) return [{ key, wouldChange: true }];
      return [{ key, change: { kind: 'purge', collection, key, ifCas: cas } }];
    }
    const metadata = dryRun ? undefined : shorterMetadata(stored, upTo);
    if (metadata === undefined) return [{ key }];
    const change = { kind: 'documentHistory', collection, key, ifCas: cas, metadata } as const;
    return [{ key }, { key, isAside: true, change }];
  }

  async #readGrants(part: TaskPart, limit: number, upTo: Sequence): Promise<TaskStep> {
    const { bucket, metadataId: database, dryRun } = this.#parts;
    if (upTo === ZERO || dryRun) return { items: [], last: undefined };
    const page = await bucket.listEndedGrants({ database, after: part.cursor, limit, upTo });
    return {
      items: page.flatMap((listed): readonly TaskItem[] => {
        const { principal, ended } = listed;
        const forgetUpTo = forgottenUpTo(listed, upTo);
        if (ended === 0 || (ended === 1 && forgetUpTo === ZERO)) return [];
        const change = { kind: 'grantHistory', database, principal, upTo, forgetUpTo } as const;
        return [{ key: principal, isAside: true, change }];
      }),
      last: page.at(-1)?.principal,
    };
  }
}

/** What a stranger wrote over a tombstone makes a document of it, when it is imported. */
function isOldTombstone({ cas, metadata }: StoredDocument, beforeSecs: number): boolean {
  if (metadata === undefined || (metadata.flags & FLAG.deleted) === 0) return false;
  if (cas !== metadata.cas) return false;
  return parseMetadata(metadata.text, metadata.seq).savedAt < beforeSecs;
}

function shorterMetadata({ cas, metadata }: StoredDocument, upTo: Sequence): string | undefined {
  if (upTo === ZERO || metadata === undefined || cas !== metadata.cas) return undefined;
  // NOTE: most documents never left a channel and came back: they need not be read for that.
  if (!metadata.text.includes('"past":')) return undefined;
  const read = parseMetadata(metadata.text, metadata.seq);
  const pastChannels = mergedStays(read.pastChannels, upTo);
  return pastChannels && formatMetadata({ ...read, pastChannels });
}

/**
 * What belonged to an earlier user of a name is nobody's history. Of a role it is that of the users
 * who had it.
 */
function forgottenUpTo({ principal, value }: ListedEndedGrants, upTo: Sequence): Sequence {
  if (!principal.startsWith('user:')) return ZERO;
  if (value === undefined) return upTo;
  const { historyFrom } = parseUserRecord(value);
  return historyFrom < upTo ? historyFrom : upTo;
}
