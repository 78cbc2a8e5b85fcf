import type { Digest, DocId, RevId, Sequence } from '../../document/types.ts';
import type { Awaitable } from '../../util/awaitable.ts';
import { GatewayError } from '../../util/errors.ts';
import {
  BATCH_MAX,
  type AccessSnapshot,
  type AttachmentReference,
  type Bucket,
  type BucketSupport,
  type Change,
  type ChannelPage,
  type ChannelRequest,
  type CollectionId,
  type CommitResult,
  type Grant,
  type MutationPage,
  type PrincipalKey,
  type RevisionBody,
  type StoredAttachment,
  type StoredDocument,
  type DocumentGrant,
} from '../bucket.ts';
import type { ForeignWrites } from '../foreign-writes.ts';
import type { LastChanges } from '../last-changes.ts';
import type { Leases } from '../leases.ts';
import type { RecordKey, RecordRange, StoredRecord } from '../records.ts';
import type { CountedKeys, ListedPrincipal, PrincipalRange, ScanRange } from '../scan.ts';
import type { BucketTrouble } from '../trouble.ts';
import type { EndedGrantsRange, ListedAttachment, ListedEndedGrants } from '../upkeep.ts';
import { getAttachment, putAttachment, type UploadOptions } from './attachments.ts';
import type { MutationCursor } from './mutation-reader.ts';
import { SqliteForeignWrites } from './sqlite-foreign-writes.ts';
import { SqliteLeases } from './sqlite-leases.ts';
import type { Store } from './store.ts';

/** A bucket in an SQLite file, as one who opened it holds it. */
export class SqliteBucket implements Bucket {
  readonly #shared: Store;
  readonly #release: () => Promise<void>;
  readonly #closing = new AbortController();

  /** `release` gives the share back; it is called once. */
  constructor(store: Store, release: () => Promise<void>) {
    this.#shared = store;
    this.#release = release;
  }

  get supports(): BucketSupport {
    return this.#shared.supports;
  }

  get uuid(): string {
    return this.#shared.uuid;
  }

  get trouble(): BucketTrouble | undefined {
    return this.#shared.health.trouble;
  }

  get leases(): Leases {
    return new SqliteLeases(this.#store);
  }

  get foreignWrites(): ForeignWrites {
    return new SqliteForeignWrites(this.#store, this.#closing.signal);
  }

  async openCollection(name: string): Promise<CollectionId> {
    return await this.#store.openCollection(name);
  }

  get(collection: CollectionId, key: DocId): Awaitable<StoredDocument | undefined> {
    return this.#store.reader.read(({ documents }) => documents.get(collection, key));
  }

  async getMany(
    collection: CollectionId,
    keys: readonly DocId[],
  ): Promise<readonly (StoredDocument | undefined)[]> {
    atMostBatch(keys.length);
    return await this.#store.reader.read(({ documents }) =>
      keys.map((key) => documents.get(collection, key)),
    );
  }

  async getRevisionBody(
    collection: CollectionId,
    key: DocId,
    rev: RevId,
  ): Promise<RevisionBody | undefined> {
    const store = this.#store;
    return await store.reader.read(({ documents }) =>
      documents.revisionBody({ collection, key, rev }, store.nowSecs()),
    );
  }

  async scan(collection: CollectionId, range: ScanRange): Promise<readonly StoredDocument[]> {
    atMostBatch(range.limit);
    return await this.#store.reader.read(({ documents }) => documents.scan(collection, range));
  }

  async countKeys(
    collection: CollectionId,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Promise<CountedKeys> {
    return await this.#store.reader.read(({ documents }) =>
      documents.countKeys(collection, after, limit),
    );
  }

  async countUnchangedSince(
    collection: CollectionId,
    seq: Sequence,
    limit: number,
  ): Promise<number> {
    return await this.#store.reader.read(({ documents }) =>
      documents.countUnchangedSince(collection, seq, limit),
    );
  }

  commit(changes: readonly Change[]): Promise<readonly CommitResult[]> {
    return this.#store.commit(changes);
  }

  async lastSequence(): Promise<Sequence> {
    this.#store.health.requireReadable();
    return await this.#store.reader.read((reader) => reader.lastSequence());
  }

  async readChannels(request: ChannelRequest): Promise<ChannelPage> {
    atMostBatch(request.limit);
    return await this.#store.reader.read((reader) => {
      const lastSequence = reader.lastSequence();
      const { access, after } = request;
      if (access !== undefined && reader.access.isStale(access)) {
        return { stale: true, rows: [], scannedTo: after, lastSequence };
      }
      return reader.channels.page(request, lastSequence);
    });
  }

  async *mutations(since: Sequence, signal: AbortSignal): AsyncGenerator<MutationPage> {
    const store = this.#store;
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    let cursor: MutationCursor = { seq: since };
    while (!ended.aborted) {
      store.health.requireReadable();
      const own = cursor.principal === undefined && store.ownMutations.pageAfter(cursor.seq);
      if (own) {
        cursor = { seq: own.upTo };
        yield own;
      } else {
        const { step, last } = await store.reader.read((reader) => {
          const end = reader.lastSequence();
          return { step: reader.mutations.step(cursor, end), last: end };
        });
        if (step.page.mutations.length > 0 || step.page.upTo > cursor.seq) yield step.page;
        cursor = step.next;
        if (cursor.principal !== undefined || cursor.seq < last) continue;
      }
      await store.watch.above(cursor.seq, ended);
    }
  }

  async readAccess(database: string, principal: PrincipalKey): Promise<AccessSnapshot> {
    return await this.#store.reader.read((reader) => ({
      principals: reader.access.access(database, principal),
      asOf: reader.lastSequence(),
    }));
  }

  async grantsOf(collection: CollectionId, key: DocId): Promise<readonly DocumentGrant[]> {
    return await this.#store.reader.read(({ access }) => access.grantsOf(collection, key));
  }

  async lastAccessChange(
    database: string,
    principals?: readonly PrincipalKey[],
  ): Promise<Sequence> {
    return await this.#store.reader.read(({ access }) => access.lastChange(database, principals));
  }

  async listPrincipals(range: PrincipalRange): Promise<readonly ListedPrincipal[]> {
    atMostBatch(range.limit);
    return await this.#store.reader.read(({ access }) => access.list(range));
  }

  async getRecord(key: RecordKey): Promise<StoredRecord | undefined> {
    const store = this.#store;
    return await store.reader.read(({ access }) => access.record(key, store.nowSecs()));
  }

  lastChanges(database: string): Awaitable<LastChanges> {
    return this.#store.reader.read(({ access, counters }) => ({
      records: counters.recordCas,
      access: access.lastChange(database, undefined),
    }));
  }

  async listRecords(range: RecordRange): Promise<readonly StoredRecord[]> {
    atMostBatch(range.limit);
    const store = this.#store;
    return await store.reader.read(({ access }) => access.records(range, store.nowSecs()));
  }

  async recordsVersion(range: Pick<RecordRange, 'kind' | 'database'>): Promise<string> {
    return await this.#store.reader.read(({ access }) => access.recordsVersion(range));
  }

  async putAttachment(
    bytes: AsyncIterable<Uint8Array>,
    options: UploadOptions,
  ): Promise<StoredAttachment> {
    return await putAttachment(this.#store, bytes, options);
  }

  async keepAttachments(digests: readonly Digest[]): Promise<boolean> {
    if (digests.length === 0) return true;
    const store = this.#store;
    return await store.writer.keepAttachments(digests, store.nowSecs());
  }

  async getAttachment(
    digest: Digest,
    range?: { readonly start: number; readonly end: number },
  ): Promise<{ readonly length: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined> {
    return await getAttachment(this.#store, digest, range);
  }

  async holdersOf(
    database: string,
    what: Pick<Grant, 'kind' | 'collection' | 'target'>,
    limit: number,
  ): Promise<readonly PrincipalKey[]> {
    return await this.#store.reader.read(({ upkeep }) => upkeep.holdersOf(database, what, limit));
  }

  async referencesOf(
    collection: CollectionId,
    keys: readonly DocId[],
  ): Promise<readonly (readonly AttachmentReference[])[]> {
    atMostBatch(keys.length);
    return await this.#store.reader.read(({ upkeep }) =>
      keys.map((key) => upkeep.referencesOf(collection, key)),
    );
  }

  async listAttachments(after: string, limit: number): Promise<readonly ListedAttachment[]> {
    atMostBatch(limit);
    return await this.#store.reader.read(({ upkeep }) => upkeep.attachments(after, limit));
  }

  async listEndedGrants(range: EndedGrantsRange): Promise<readonly ListedEndedGrants[]> {
    atMostBatch(range.limit);
    return await this.#store.reader.read(({ upkeep }) => upkeep.endedGrants(range));
  }

  async expiredDocuments(
    collection: CollectionId,
    now: number,
    limit: number,
  ): Promise<readonly DocId[]> {
    atMostBatch(limit);
    return await this.#store.reader.read(({ documents }) =>
      documents.expired(collection, now, limit),
    );
  }

  async removeExpired(now: number, graceSecs: number): Promise<boolean> {
    const { health, writer } = this.#store;
    return await health.ofWrite(writer.removeExpired(now, graceSecs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#release();
  }

  get #store(): Store {
    if (this.#closing.signal.aborted) throw new GatewayError('unavailable', 'the bucket is closed');
    return this.#shared;
  }
}

function atMostBatch(count: number): void {
  if (count > BATCH_MAX) throw new Error(`bug: ${count} in one call, at most ${BATCH_MAX}`);
}
