import type { Cas, DocId, RevId, Sequence } from '../document/types.ts';
import type { ChannelChange, CollectionId, Judgement } from './bucket.ts';

/**
 * Foreign writes: those that did not come through a gateway, of whoever writes to the bucket
 * itself. Each one puts its document into a queue, inside the writer's own transaction; so what is
 * committed is queued, and what was rolled back is not. A document is in the queue once, at its
 * newest position.
 *
 * It leaves the queue by the commit that takes it in (a document's change or a `taken`), that
 * refuses it (a `rejection`), or that purges it; each in one transaction with what it does. The
 * gateway's own commits put nothing into the queue.
 *
 * Where the store finds that writes may have gone past the queue (somebody dropped a trigger of it,
 * or the file was made by an older version) it looks at every document again by itself, in the
 * background, and queues what is not the gateway's.
 */
export interface ForeignWrites {
  /** Queued documents after a position, in the order of positions. At most BATCH_MAX. */
  list(
    collection: CollectionId,
    range: { readonly after: number; readonly limit: number },
  ): Promise<readonly ForeignWrite[]>;

  /** The position of the newest entry that there ever was; 0 for none. Cheap. */
  newest(): Promise<number>;

  /**
   * Resolves when there was an entry past `position`, by any process and in any collection, when
   * `signal` aborts, or when the bucket is closed. The wait keeps no process alive.
   */
  above(position: number, signal: AbortSignal): Promise<void>;

  /** How many are queued, counted up to `countMax`, and since when the first of them is. */
  backlog(collection: CollectionId, countMax: number): Promise<ForeignBacklog>;

  /**
   * Refused documents in the order of the UTF-8 bytes of their keys. At most BATCH_MAX. A key that
   * is no UTF-8 is told in hexadecimal, as `x'FF'`.
   */
  listRejected(
    collection: CollectionId,
    range: { readonly after?: DocId; readonly limit: number },
  ): Promise<readonly RejectedWrite[]>;

  /** Counted up to `countMax`. */
  countRejected(collection: CollectionId, countMax: number): Promise<number>;

  /**
   * Puts refused documents back into the queue, in the order of their keys: at most BATCH_MAX of
   * those after `after`. Gives the key to go on after; undefined at the end. What the store itself
   * refused is none of them.
   */
  queueRejected(
    collection: CollectionId,
    which: {
      readonly after?: DocId | undefined;
      /** Those that were refused for their form, too: not by filter or function alone. */
      readonly unfit: boolean;
    },
  ): Promise<DocId | undefined>;

  /** Why every document is being looked at again; undefined where it is not. */
  recheck(): Promise<ForeignRecheck | undefined>;
}

export interface ForeignWrite {
  /** Larger than that of every earlier write. */
  readonly position: number;
  readonly collection: CollectionId;
  readonly key: DocId;
  /** When it was written, ms since 1970. */
  readonly queuedMs: number;
}

export interface ForeignBacklog {
  readonly count: number;
  /** When the first of them was written, ms since 1970; undefined for none. */
  readonly oldestMs: number | undefined;
}

/** Why a foreign write was refused: by the import filter, the sync function, or for its form. */
export type RejectedAs = 'filter' | 'function' | 'body';

export interface RejectedWrite {
  readonly key: DocId;
  /** The CAS that was refused; 0 where the store itself did. */
  readonly cas: Cas;
  readonly rejectedAs: RejectedAs;
  readonly reason: string;
  /** When, ms since 1970. */
  readonly atMs: number;
}

export interface ForeignRecheck {
  readonly reason: string;
  /** ms since 1970. */
  readonly sinceMs: number;
}

/** Why the body of a document is not given: it is a stranger's, and no document can have it. */
export type ForeignBodyFault = 'too large' | 'not text';

/** A stranger's body of more bytes is not read: it could be no document. */
export const FOREIGN_BODY_BYTES_MAX = 20 * 1024 * 1024;

/**
 * A foreign write is not taken in, for now: it leaves the queue, is listed as rejected, and stays
 * foreign. Takes no sequence, unless it hides a revision. The document's next foreign write, and
 * `queueRejected`, queue it again.
 */
export interface RejectionChange extends Judgement {
  readonly kind: 'rejection';
  readonly collection: CollectionId;
  readonly key: DocId;
  /** The CAS of what is refused. */
  readonly ifCas: Cas;
  readonly rejectedAs: RejectedAs;
  readonly reason: string;
  /** The revision before, where clients may have seen it. */
  readonly hides?: HiddenRevision;
}

/**
 * The document with its winner hidden: it takes the next sequence, and leaves its channels there.
 * Its CAS stays the stranger's. Where it has another sequence than `ofSeq` by now, somebody else
 * has hidden it: then that stays as it is.
 */
export interface HiddenRevision {
  readonly ofSeq: Sequence;
  readonly rev: RevId;
  readonly flags: number;
  readonly metadata: string;
  readonly channels: ChannelChange;
}

/**
 * A foreign write that is no change of the revision (of the expiry alone, or of nothing), or that
 * was taken in already: the document is the gateway's again, with the body, expiry and xattrs that
 * it has. Metadata and sequence stay. Takes no sequence.
 */
export interface TakenChange extends Judgement {
  readonly kind: 'taken';
  readonly collection: CollectionId;
  readonly key: DocId;
  /** `absent`: there is nothing of that document (any more). */
  readonly ifCas: Cas | 'absent';
}
