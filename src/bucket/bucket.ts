import type { AttachmentStore } from './attachment-store.ts';
import type { BatchChange } from './batch-change.ts';
import type {
  ForeignBodyFault,
  ForeignWrites,
  RejectionChange,
  TakenChange,
} from './foreign-writes.ts';
import type { LastChanges } from './last-changes.ts';
import type { Lease, Leases } from './leases.ts';
import type { PrincipalChange } from './principal-change.ts';
import type { PurgeChange } from './purge-change.ts';
import type { RecordKey, RecordRange, StoredRecord } from './records.ts';
import type { DocumentCounts, ListedPrincipal, PrincipalRange, ScanRange } from './scan.ts';
import type { BucketTrouble } from './trouble.ts';
import type { BucketUpkeep, UpkeepChange } from './upkeep.ts';
import type { Attachments, Cas, Digest, DocId, RevId, Sequence } from '../document/types.ts';
import type { Awaitable } from '../util/awaitable.ts';

/**
 * Where documents live: the seam between the gateway and its store. Every adapter passes
 * `bucketContract` (`bucket-contract.ts`); a sentence of a comment here is a test there.
 *
 * A bucket keeps, in one history ordered by sequence:
 * - documents: a body (JSON text, in a table that applications may read and write) and, beside it,
 *   the gateway's metadata;
 * - records: the gateway's own small documents (principals, sessions, configuration, `_local`);
 * - grants: who has which channel or role, by which source, from and until which sequence;
 * - the channel index: which document entered or left which channel at which sequence;
 * - attachments by digest, and the bodies of superseded revisions.
 *
 * What holds for all methods: they may be called at any time from any number of callers; what they
 * return is not changed afterwards; a read sees every commit that was acknowledged before it began
 * (read your own writes); a failure of the store is a GatewayError `unavailable` and changes
 * nothing.
 */
export interface Bucket extends AsyncDisposable, AttachmentStore, BucketUpkeep, DocumentCounts {
  readonly supports: BucketSupport;

  /** A random UUID given when the bucket was created. */
  readonly uuid: string;

  /**
   * What keeps it from being read or written at this moment, as far as that was noticed; undefined
   * where nothing does. Noticed within a second or two while somebody follows the history. From the
   * moment on at which it is `moved` no write is acknowledged.
   */
  readonly trouble: BucketTrouble | undefined;

  /** Who has what for a while, of all processes on the bucket. */
  readonly leases: Leases;

  /** What was written by others than gateways, and is to be taken in. */
  readonly foreignWrites: ForeignWrites;

  /**
   * The number of the collection of this name (`scope.collection`), which is created where it is
   * absent.
   */
  openCollection(name: string): Promise<CollectionId>;

  get(collection: CollectionId, key: DocId): Awaitable<StoredDocument | undefined>;

  /** As `get` for each key, in the order given, in one snapshot. At most BATCH_MAX keys. */
  getMany(
    collection: CollectionId,
    keys: readonly DocId[],
  ): Promise<readonly (StoredDocument | undefined)[]>;

  /**
   * The kept body of a revision that is not the winner, or of a tombstone; expired ones are absent.
   */
  getRevisionBody(
    collection: CollectionId,
    key: DocId,
    rev: RevId,
  ): Promise<RevisionBody | undefined>;

  /** Documents in the order of the UTF-8 bytes of their keys, tombstones included. */
  scan(collection: CollectionId, range: ScanRange): Promise<readonly StoredDocument[]>;

  /**
   * Applies each change whose preconditions hold, all of them in one durable transaction, and gives
   * one result for each, in the order given. Changes see the effects of earlier ones of the same
   * call. Each applied document or principal change takes the next sequence, and a rejection that
   * hides a revision; a record takes none.
   * When the promise resolves, everything applied survives the end of the process and power loss.
   */
  commit(changes: readonly Change[]): Promise<readonly CommitResult[]>;

  /** The sequence of the last commit: the end of the history. */
  lastSequence(): Promise<Sequence>;

  /**
   * One page of the channel index, read together with its preconditions and bodies in one snapshot.
   */
  readChannels(request: ChannelRequest): Promise<ChannelPage>;

  /**
   * Every mutation after `since`, in sequence order, in pages of at most BATCH_MAX, until `signal`
   * aborts; then it ends, without an error. A document or principal that was changed again before
   * it was read appears only at its newest sequence. Waits for further commits of any process;
   * the wait keeps no process alive.
   */
  mutations(since: Sequence, signal: AbortSignal): AsyncIterable<MutationPage>;

  /** A user with the roles that it has or had, and all their grants, in one snapshot. */
  readAccess(database: string, principal: PrincipalKey): Promise<AccessSnapshot>;

  /** The grants that a document makes now, in whichever database. */
  grantsOf(collection: CollectionId, key: DocId): Promise<readonly DocumentGrant[]>;

  /**
   * The last sequence that changed a record or grant of any of these principals, or of any
   * principal of the database where none are named; 0 for never. Cheap: asked on every request.
   */
  lastAccessChange(database: string, principals?: readonly PrincipalKey[]): Promise<Sequence>;

  /**
   * Users or roles that have a record, in the order of their keys, after `after`. At most
   * BATCH_MAX.
   */
  listPrincipals(range: PrincipalRange): Promise<readonly ListedPrincipal[]>;

  getRecord(key: RecordKey): Promise<StoredRecord | undefined>;

  /** What tells whether a request's session and user are still as they were read last, at once. */
  lastChanges(database: string): Awaitable<LastChanges>;

  /**
   * Records of a kind in the order of their ids, after `after`; expired ones are left out. At most
   * BATCH_MAX.
   */
  listRecords(range: RecordRange): Promise<readonly StoredRecord[]>;

  /**
   * Another text whenever a record of a kind was written or removed, by any process; the same as
   * long as none was. Cheap where they are few: no values are read.
   */
  recordsVersion(range: Pick<RecordRange, 'kind' | 'database'>): Promise<string>;

  /**
   * Documents of a collection whose expiry has passed, the earliest first. At most `limit`. `now`
   * in Unix seconds. Foreign writes are none of them before they are taken in.
   */
  expiredDocuments(collection: CollectionId, now: number, limit: number): Promise<readonly DocId[]>;

  /**
   * Removes revision bodies, records and references to attachments that are past their expiry, and
   * attachments that nothing refers to since before `now - graceSecs`. Bounded work; `true` where
   * more is left. `now` in
   * Unix seconds.
   */
  removeExpired(now: number, graceSecs: number): Promise<boolean>;
}

/** What an adapter can do; callers ask this, never which adapter it is. */
export interface BucketSupport {
  /** Several processes may open it. */
  readonly manyProcesses: boolean;
  /** Several machines may open it. */
  readonly manyNodes: boolean;
}

/** The most keys, changes or rows of one call. */
export const BATCH_MAX = 1000;

export type CollectionId = number & { readonly __brand: 'CollectionId' };

/** `user:NAME` or `role:NAME`; the guest is `user:`. */
export type PrincipalKey = `user:${string}` | `role:${string}`;

export interface StoredDocument {
  readonly key: DocId;
  readonly cas: Cas;
  /**
   * JSON text of the winning revision without reserved properties; null for a tombstone. Of a
   * foreign write any text, or null with `foreignBody`.
   */
  readonly body: string | null;
  readonly foreignBody?: ForeignBodyFault;
  /** JSON text of the extended attributes that applications keep of it; null for none. */
  readonly xattrs: string | null;
  /** Unix seconds; 0 for none. */
  readonly expiry: number;
  /** Absent where no gateway has written or imported the document. */
  readonly metadata: StoredMetadata | undefined;
}

/** The gateway's own part of a document. */
export interface StoredMetadata {
  /** The winning revision. */
  readonly rev: RevId;
  readonly seq: Sequence;
  readonly flags: number;
  /**
   * The CAS that the gateway's last commit gave: another one on the document is a stranger's write.
   */
  readonly cas: Cas;
  /**
   * CRC-32 of the UTF-8 bytes of the body that the gateway stored: tells whether a foreign write
   * changed it. Undefined for none, and where an older version of the gateway stored it.
   */
  readonly bodyCrc: number | undefined;
  /** As the last change that named it gave it. */
  readonly xattrCrc: number | undefined;
  /**
   * The rest (revision tree, channels with the sequences of removals, attachments …) as text of
   * `document/sync-metadata.ts`, opaque to the bucket. A sequence written as 0 in it means the
   * sequence of this row: so a change need not know its own.
   */
  readonly text: string;
}

/**
 * Bits of `flags`, as the reference numbers them. `hidden`: a stranger wrote over the revision, and
 * that was refused.
 */
export const FLAG = { deleted: 1, removed: 2, hidden: 4, conflict: 8, branched: 16 } as const;

export interface RevisionBody {
  readonly body: string;
  readonly attachments: Attachments;
}

export type Change =
  | DocumentChange
  | PurgeChange
  | PrincipalChange
  | RecordChange
  | RejectionChange
  | TakenChange
  | UpkeepChange
  | BatchChange;

/** What must hold at the commit, beside the CAS. */
export interface Judgement {
  /**
   * The version of the sync function that judged the write: the record that holds it, and its CAS.
   */
  readonly function?: { readonly record: RecordKey; readonly cas: Cas };
  /** Whose rights the function asked for: none of them may have changed after `asOf`. */
  readonly access?: AccessPrecondition;
  /** A lease that must hold, with this fencing number, inside the commit's transaction. */
  readonly lease?: Lease;
}

export interface AccessPrecondition {
  readonly database: string;
  readonly principals: readonly PrincipalKey[];
  readonly asOf: Sequence;
}

/** A new state of a document. */
export interface DocumentChange extends Judgement {
  readonly kind: 'document';
  readonly collection: CollectionId;
  readonly key: DocId;
  /** The CAS that was read, or `absent`. */
  readonly ifCas: Cas | 'absent';
  /** JSON text; null makes the body's row disappear from the bodies table. */
  readonly body: string | null;
  /** The body stays as it is in the store, whatever `body` says. */
  readonly keepsBody?: true;
  readonly expiry: number;
  readonly rev: RevId;
  readonly flags: number;
  readonly metadata: string;
  /**
   * CRC-32 of the extended attribute that this state was routed by; null for none. Absent: it stays
   * as it is.
   */
  readonly xattrCrc?: number | null;
  /** How its channel index changes; channels that are in neither list keep what they have. */
  readonly channels: ChannelChange;
  /**
   * All grants that this document now makes. Those of the same source that are not named end at
   * this sequence, also those in another database; new ones begin at it, others go on. Absent: they
   * stay as they are.
   */
  readonly grants?: { readonly database: string; readonly grants: readonly Grant[] };
  /** Revision bodies to keep (the superseded winner, losing leaves, tombstones) and to drop. */
  readonly keepBodies?: readonly KeepBody[];
  readonly dropBodies?: readonly RevId[];
  /**
   * All attachments that the document now refers to, in any kept revision. Absent: they stay as
   * they are.
   */
  readonly attachments?: readonly AttachmentReference[];
}

export interface AttachmentReference {
  readonly digest: Digest;
  /**
   * Unix seconds after which the document refers to it no more: when the last kept body that has it
   * expires. 0: as long as no change says otherwise.
   */
  readonly until: number;
}

export interface ChannelChange {
  /** The document is in these; their entries move to this change's sequence. */
  readonly in: readonly ChannelEntry[];
  /**
   * It leaves these with this change: an entry with the flag `removed` (and `deleted`) at its
   * sequence.
   */
  readonly out: readonly ChannelEntry[];
}

export interface ChannelEntry {
  readonly channel: string;
  /**
   * The sequence of the entry that the document has in this channel now, which is replaced; 0 for
   * none. A hint: a store that knows the entries of a document may do without.
   */
  readonly replaces: Sequence;
}

export interface Grant {
  readonly principal: PrincipalKey;
  readonly kind: 'channel' | 'role' | 'exists';
  /** The collection of a `channel` grant; 0 for the other kinds. */
  readonly collection: CollectionId;
  /** The channel's or role's name; `` for `exists`. */
  readonly target: string;
}

export interface KeepBody {
  readonly rev: RevId;
  /** JSON text, or `stored`: the body that the document has before this change. */
  readonly body: string | 'stored';
  readonly attachments: Attachments;
  /** Unix seconds after which it may go; 0: kept as long as the document. */
  readonly expiry: number;
}

/** A gateway's own small document. */
export interface RecordChange {
  readonly kind: 'record';
  readonly record: RecordKey;
  /** Absent: whatever is there. */
  readonly ifCas?: Cas | 'absent';
  /** Another record that must be in this state. */
  readonly ifRecord?: { readonly record: RecordKey; readonly cas: Cas | 'absent' };
  /** As in `Judgement`. */
  readonly lease?: Lease;
  /** JSON text; null removes it. */
  readonly value: string | null;
  /** Unix seconds; 0 for none. */
  readonly expiry: number;
}

export type CommitResult =
  | {
      readonly ok: true;
      readonly cas: Cas;
      /** 0 where the change takes none. */
      readonly seq: Sequence;
    }
  | {
      readonly ok: false;
      /** Which precondition did not hold: read again, judge again. */
      readonly failed: 'cas' | 'function' | 'access' | 'record' | 'lease';
      /** What the store has instead, for `cas`. */
      readonly actualCas?: Cas | 'absent';
      /** Of a batch: which of its changes it was; absent for a precondition of its own. */
      readonly at?: number;
    };

export interface ChannelRequest {
  readonly collection: CollectionId;
  /** `all`: every document of the collection, whatever its channels. */
  readonly channels: readonly string[] | 'all';
  /** Exclusive. */
  readonly after: Sequence;
  /** Inclusive; absent: to the end of the history. */
  readonly upTo?: Sequence;
  /**
   * The most sequences (not entries) of the page; at most BATCH_MAX. It may hold fewer: bodies that
   * come to megabytes end it.
   */
  readonly limit: number;
  /** Whether bodies and attachments of entries that are not removals are wanted. */
  readonly bodies: boolean;
  /** Whether the metadata text of documents with the flag `branched` or `conflict` is wanted. */
  readonly branches: boolean;
  /** Where it does not hold in the snapshot, the page is `stale` and empty. */
  readonly access?: AccessPrecondition;
}

export interface ChannelPage {
  readonly stale: boolean;
  /**
   * By sequence; one for each channel that holds the document at that sequence, side by side in the
   * order of the request.
   */
  readonly rows: readonly ChannelRow[];
  /** Everything up to here was looked at: the next page goes on after it. */
  readonly scannedTo: Sequence;
  /** The end of the history in this snapshot. */
  readonly lastSequence: Sequence;
}

export interface ChannelRow {
  readonly seq: Sequence;
  readonly key: DocId;
  /** The winner at that sequence. */
  readonly rev: RevId;
  readonly flags: number;
  /** Absent where `all` was asked for. */
  readonly channel?: string;
  /**
   * JSON text; null for removals, tombstones, where bodies were not asked for, where the document
   * has moved on since, and where a stranger wrote it and that is not imported yet.
   */
  readonly body: string | null;
  /**
   * The metadata text, where bodies or branches were asked for and the row is the document's
   * current state.
   */
  readonly metadata?: string;
}

export interface MutationPage {
  readonly mutations: readonly Mutation[];
  /** All mutations up to here have been told. */
  readonly upTo: Sequence;
}

export type Mutation =
  | {
      readonly kind: 'document';
      readonly seq: Sequence;
      readonly collection: CollectionId;
      readonly key: DocId;
      readonly rev: RevId;
      readonly flags: number;
      /** Channels that it is in. */
      readonly channels: readonly string[];
      /** Channels that it left with this very mutation. */
      readonly removed: readonly string[];
    }
  /** A user or role was changed, created or deleted, or its grants were (by anything). */
  | {
      readonly kind: 'access';
      readonly seq: Sequence;
      readonly database: string;
      readonly principal: PrincipalKey;
    };

export interface AccessSnapshot {
  /**
   * The principal asked for, then the roles that it has or had. Those without record are there
   * where grants name them.
   */
  readonly principals: readonly StoredPrincipal[];
  /** The end of the history in this snapshot: what is told here holds as of it. */
  readonly asOf: Sequence;
}

export interface StoredPrincipal {
  readonly principal: PrincipalKey;
  /** Undefined where there is no record. */
  readonly record:
    | { readonly value: string; readonly cas: Cas; readonly seq: Sequence }
    | undefined;
  /** The last sequence that changed its record or its grants; 0 for never. */
  readonly accessVersion: Sequence;
  readonly grants: readonly StoredGrant[];
}

export interface StoredGrant extends Grant {
  /**
   * The document that grants, with its collection. Of the collection 0: the administrator (``), or
   * the issuer of a token that claims it.
   */
  readonly source: string;
  readonly sourceCollection: CollectionId;
  /** It holds from this sequence (inclusive) … */
  readonly from: Sequence;
  /** … until this one (exclusive); 0: it still holds. */
  readonly until: Sequence;
  /** It stands for several that have ended (`GrantHistoryChange`): there may be gaps in it. */
  readonly merged?: true;
}

/** One that a document makes. */
export interface DocumentGrant extends StoredGrant {
  readonly database: string;
}

export interface StoredAttachment {
  readonly digest: Digest;
  readonly length: number;
}
