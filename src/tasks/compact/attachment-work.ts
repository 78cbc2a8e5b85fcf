import type {
  AttachmentReference,
  Bucket,
  CollectionId,
  StoredDocument,
} from '../../bucket/bucket.ts';
import type { ListedAttachment, ReferencesChange } from '../../bucket/upkeep.ts';
import { ATTACHMENT_GRACE_SECS } from '../../database/remove-expired.ts';
import { allDigests, parseMetadata } from '../../document/sync-metadata.ts';
import type { Observer } from '../../observability/events.ts';
import { attachmentsCompacted } from '../../observability/events.ts';
import { must } from '../../util/assert.ts';
import type { Clock } from '../../util/clock.ts';
import { wholePart } from '../plan-parts.ts';
import type { TaskPart } from '../task-state.ts';
import type { TaskItem, TaskStep, TaskWork } from '../task-work.ts';

/** The part of the attachments themselves. */
const ATTACHMENTS = '';
export const ATTACHMENTS_PART: TaskPart = wholePart(ATTACHMENTS);

/** Whether a part is one of documents: only when all of those are done, attachments are removed. */
export const isMark = ({ collection }: TaskPart): boolean => collection !== ATTACHMENTS;

interface AttachmentParts {
  readonly bucket: Bucket;
  /** By `scope.collection`. */
  readonly collections: ReadonlyMap<string, CollectionId>;
  readonly observer: Observer;
  readonly clock: Clock;
  /** Nothing is removed, and counted what would be. */
  readonly dryRun: boolean;
}

/**
 * Removes attachments that nothing refers to. First it goes through the documents, and makes right
 * what the store holds to be their attachments (mark); then through the attachments of the bucket
 * (sweep). What other databases of the bucket refer to stays: that the store knows, too.
 */
export class AttachmentWork implements TaskWork {
  readonly #parts: AttachmentParts;

  constructor(parts: AttachmentParts) {
    this.#parts = parts;
  }

  phaseOf(part: TaskPart): number {
    return isMark(part) ? 0 : 1;
  }

  async read(part: TaskPart, limit: number): Promise<TaskStep> {
    return isMark(part) ? this.#mark(part, limit) : this.#sweep(part, limit);
  }

  async #mark(part: TaskPart, limit: number): Promise<TaskStep> {
    const { bucket, collections } = this.#parts;
    const collection = must(collections.get(part.collection), 'the parts are of its collections');
    const page = await bucket.scan(collection, {
      ...(part.cursor === '' ? {} : { after: part.cursor }),
      end: part.upTo,
      limit,
      bodies: false,
    });
    const known = await bucket.referencesOf(
      collection,
      page.map(({ key }) => key),
    );
    return {
      items: page.flatMap((stored, at): readonly TaskItem[] => {
        const change = this.#correction(collection, stored, known[at] ?? []);
        return change === undefined ? [] : [{ key: stored.key, isAside: true, change }];
      }),
      last: page.at(-1)?.key,
    };
  }

  /** NOTE: a dry run makes it, too: it takes nothing from anybody, and what is counted is right. */
  #correction(
    collection: CollectionId,
    { key, cas, metadata }: StoredDocument,
    known: readonly AttachmentReference[],
  ): ReferencesChange | undefined {
    if (metadata === undefined || cas !== metadata.cas) return undefined;
    const nowSecs = this.#nowSecs();
    const digests = allDigests(parseMetadata(metadata.text, metadata.seq));
    // What has expired by now the store ends by itself.
    const isOpen = ({ until }: AttachmentReference): boolean => until === 0 || until > nowSecs;
    const attachments = Array.from(digests, ([digest, until]) => ({ digest, until })).filter(
      isOpen,
    );
    const open = known.filter(isOpen);
    const isSame =
      open.length === attachments.length &&
      open.every(({ digest, until }) => digests.get(digest) === until);
    return isSame ? undefined : { kind: 'references', collection, key, ifCas: cas, attachments };
  }

  async #sweep(part: TaskPart, limit: number): Promise<TaskStep> {
    const { bucket, observer } = this.#parts;
    const page = await bucket.listAttachments(part.cursor, limit);
    return {
      items: page.flatMap((listed) => this.#swept(listed)),
      last: page.at(-1)?.digest,
      committed: (done) => {
        const removed = done.filter(({ change }) => change?.kind === 'attachment' && change.purge);
        if (removed.length > 0) attachmentsCompacted(observer, removed.length);
      },
    };
  }

  /** What is referred to counts as processed alone, what is removed as changed, too. */
  #swept(listed: ListedAttachment): readonly TaskItem[] {
    const { digest, isReferenced, isNamed, unreferencedSince } = listed;
    if (isReferenced) return [{ key: digest }];
    const change = { kind: 'attachment', digest, ifUnreferencedSince: unreferencedSince } as const;
    const { dryRun } = this.#parts;
    // By documents that are gone: its grace begins now, since an upload may have relied on them.
    if (isNamed)
      return dryRun ? [] : [{ key: digest, isAside: true, change: { ...change, purge: false } }];
    // NOTE: whoever uploads the bytes leaves a time, so without one nobody is about to name it.
    const isOver =
      unreferencedSince === undefined ||
      unreferencedSince < this.#nowSecs() - ATTACHMENT_GRACE_SECS;
    if (!isOver) return [];
    if (dryRun) return [{ key: digest, wouldChange: true }];
    return [{ key: digest, change: { ...change, purge: true } }];
  }

  #nowSecs(): number {
    return Math.floor(this.#parts.clock.now() / 1000);
  }
}
