import { randomUUID } from 'node:crypto';
import type { StoredAttachment } from '../bucket/bucket.ts';
import type { ChangesFeedOptions } from '../changes/changes-feed.ts';
import { ChangesFeed } from '../changes/changes-feed.ts';
import type { ChangeCache } from '../changes/change-cache.ts';
import { findAttachment } from '../document/attachments-merge.ts';
import { parseDocId } from '../document/doc-id.ts';
import type { ScannedObject } from '../document/json-scanner.ts';
import { parseDocument } from '../document/parsed-document.ts';
import type { RevsDiff } from '../document/revs-diff.ts';
import { revsDiff } from '../document/revs-diff.ts';
import type { AttachmentStub, Digest, DocId, RevId } from '../document/types.ts';
import type { Observer } from '../observability/events.ts';
import { attachmentRead, documentRead } from '../observability/events.ts';
import type { Reader } from '../principals/access.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import { GatewayError } from '../util/errors.ts';
import { nextTurn } from '../util/next-turn.ts';
import type { AllDocsOptions, AllDocsRow } from './all-docs.ts';
import { allDocs } from './all-docs.ts';
import { BulkShare } from './bulk-share.ts';
import type { BulkOutcome } from './bulk-update.ts';
import { updateMany } from './bulk-update.ts';
import type { CollectionContext } from './collection-context.ts';
import { DocumentTools } from './document-tools.ts';
import { attachmentDraft, attachmentRemovalDraft, deletionDraft, documentDraft } from './drafts.ts';
import { loadImported } from './load-imported.ts';
import { LocalDocuments } from './local-documents.ts';
import type { ReadRevision } from './read-document.ts';
import { readDocument, readRevisions } from './read-document.ts';
import type { Draft, Written } from './update-document.ts';
import { updateDocument } from './update-document.ts';

export interface WriteOptions {
  /** The revision that is edited. */
  readonly rev?: RevId | undefined;
  /** False: the document brings its revision along. */
  readonly newEdits: boolean;
  /** Bytes of attachments that came with the request and are in the bucket, by name. */
  readonly stored?: ReadonlyMap<string, StoredAttachment>;
  readonly cancellation: Cancellation;
}

export interface BulkOptions<T> {
  /** False: the documents bring their revisions along. */
  readonly newEdits: boolean;
  readonly signal: AbortSignal;
  readonly tell: (outcome: BulkOutcome) => T;
}

export interface ReadAttachment {
  readonly rev: RevId;
  readonly stub: AttachmentStub;
  /** Opens the bytes; `start` inclusive, `end` exclusive. */
  open(range?: {
    readonly start: number;
    readonly end: number;
  }): Promise<AsyncIterable<Uint8Array>>;
}

/** The documents of one collection, as REST and other protocols work with them. */
export class Collection {
  readonly local: LocalDocuments;
  /** For administrators. */
  readonly tools: DocumentTools;
  readonly #context: CollectionContext;
  readonly #cache: ChangeCache;
  readonly #bulkShare = new BulkShare();

  constructor(context: CollectionContext, cache: ChangeCache) {
    this.#context = context;
    this.#cache = cache;
    this.tools = new DocumentTools(context, cache);
    const { bucket, id, database, clock, config } = context;
    this.local = new LocalDocuments({
      bucket,
      collection: id,
      database,
      clock,
      expirySecs: config.local_doc_expiry_secs,
    });
  }

  get observer(): Observer {
    return this.#context.observer;
  }

  /** See `readDocument`. */
  read(reader: Reader, id: string, rev?: RevId): Awaitable<ReadRevision> {
    const reading = readDocument(this.#context, { id: parseDocId(id), rev, reader });
    if (reading instanceof Promise) return reading.then((read) => this.#told(read));
    return this.#told(reading);
  }

  #told(read: ReadRevision): ReadRevision {
    documentRead(this.#context.observer, read);
    return read;
  }

  /** See `readRevisions`. */
  async readRevisions(
    reader: Reader,
    id: string,
    revs: readonly RevId[] | 'leaves',
  ): Promise<readonly { readonly rev: RevId; readonly found: ReadRevision | undefined }[]> {
    const read = await readRevisions(this.#context, { id: parseDocId(id), revs, reader });
    for (const { found } of read) documentRead(this.#context.observer, found);
    return read;
  }

  /**
   * Writes a document, sent as JSON text. `id` undefined: the body's `_id`, or a made-up one.
   * Throws `badRequest` for a body that is no document or has another `_id`, `tooLarge`, and what
   * `updateDocument` throws.
   */
  async update(
    writer: Reader,
    id: string | undefined,
    source: { readonly text: string } & WriteOptions,
  ): Promise<Written> {
    this.#checkSize(source.text);
    return this.#write(writer, id, source.text, source);
  }

  /**
   * Deletes a document; one that never was becomes a tombstone. Throws what `updateDocument`
   * throws.
   */
  async remove(
    writer: Reader,
    id: string,
    { rev, cancellation }: Pick<WriteOptions, 'rev' | 'cancellation'>,
  ): Promise<Written> {
    const key = parseDocId(id);
    const draft = (): Draft => deletionDraft(rev);
    return updateDocument(this.#context, { key, writer, cancellation, draft });
  }

  /**
   * Writes many; what `tell` makes of the outcomes, in the order given: errors are many times what
   * is told of them. See `updateMany`.
   */
  async bulkUpdate<T>(
    writer: Reader,
    docs: readonly ScannedObject[],
    { newEdits, signal, tell }: BulkOptions<T>,
  ): Promise<readonly T[]> {
    const cancellation = { signal };
    return updateMany(docs, {
      idOf: (doc) => idIn(doc) ?? randomUUID(),
      write: async (doc, id) => {
        try {
          this.#checkSize(doc.text.slice(doc.start, doc.end));
          const written = await this.#write(writer, id, doc, { newEdits, cancellation });
          return tell({ ok: true, id, rev: written.rev });
        } catch (cause) {
          return tell({ ok: false, id, cause });
        }
      },
      signal,
      share: this.#bulkShare,
    });
  }

  /**
   * Which revisions of each document are missing here. Throws `badRequest` for what is no revision.
   */
  async revsDiff(
    asked: ReadonlyMap<string, readonly RevId[]>,
  ): Promise<ReadonlyMap<string, RevsDiff>> {
    const diffs = new Map<string, RevsDiff>();
    let count = 0;
    for (const [id, revs] of asked) {
      if (++count % STEPS_A_TURN === 0) await nextTurn();
      const { current } = await loadImported(this.#context, id as DocId);
      const diff = revsDiff(current?.metadata.tree, revs);
      if (diff.missing.length > 0) diffs.set(id, diff);
    }
    return diffs;
  }

  /** See `allDocs`. */
  allDocs(options: AllDocsOptions): AsyncIterable<readonly AllDocsRow[]> {
    return allDocs(this.#context, options);
  }

  /**
   * One attachment of the winner or of the revision named. Throws as `read`, `missing` where there
   * is none of that name.
   */
  async attachment(
    reader: Reader,
    id: string,
    { name, rev }: { readonly name: string; readonly rev?: RevId | undefined },
  ): Promise<ReadAttachment> {
    const read = await readDocument(this.#context, { id: parseDocId(id), rev, reader });
    const stub = findAttachment(read.attachments, name);
    if (stub === undefined) throw new GatewayError('missing', 'missing attachment');
    attachmentRead(this.#context.observer, { id: read.id, rev: read.rev, name });
    return { rev: read.rev, stub, open: (range) => this.#open(stub, range) };
  }

  /** The bytes of an attachment of a revision that the caller may read. Throws `missing`. */
  async attachmentBytes(
    { id, rev, attachments }: ReadRevision,
    name: string,
  ): Promise<AsyncIterable<Uint8Array>> {
    const stub = findAttachment(attachments, name);
    if (stub === undefined) throw new GatewayError('missing', 'missing attachment');
    attachmentRead(this.#context.observer, { id, rev, name });
    return this.#open(stub);
  }

  /**
   * Streams the bytes into the bucket, then makes a revision with them. Throws `tooLarge`, and as
   * `updateDocument`.
   */
  async putAttachment(
    writer: Reader,
    id: string,
    attachment: {
      readonly name: string;
      readonly rev: RevId | undefined;
      readonly contentType: string;
      readonly bytes: AsyncIterable<Uint8Array>;
      readonly signal: AbortSignal;
    },
  ): Promise<Written> {
    const key = parseDocId(id);
    const { name, bytes, signal } = attachment;
    const stored = await this.storeAttachment(bytes, signal);
    return updateDocument(this.#context, {
      key,
      writer,
      cancellation: attachment,
      stored: new Map([[name, stored]]),
      draft: (current) => attachmentDraft(this.#context, current, { ...attachment, stored }),
    });
  }

  /**
   * Brings bytes into the bucket, for a revision that will name their digest. Throws `tooLarge`.
   */
  async storeAttachment(
    bytes: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<StoredAttachment> {
    const lengthMax = this.#context.config.limits.attachment_bytes_max;
    return this.#context.bucket.putAttachment(bytes, { lengthMax, signal });
  }

  /**
   * Vouches for bytes that were stored a while ago, as long as a revision may still take to name
   * them. Throws `tooSlow` where they were given up meanwhile.
   */
  async keepAttachments(digests: readonly Digest[]): Promise<void> {
    if (await this.#context.bucket.keepAttachments(digests)) return;
    throw new GatewayError('tooSlow', 'the attachments took so long that the first were given up');
  }

  /**
   * Makes a revision without the attachment. Throws `missing` where there is none of that name, and
   * as `updateDocument`.
   */
  async removeAttachment(
    writer: Reader,
    id: string,
    attachment: {
      readonly name: string;
      readonly rev: RevId | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<Written> {
    const key = parseDocId(id);
    return updateDocument(this.#context, {
      key,
      writer,
      cancellation: attachment,
      draft: (current) => attachmentRemovalDraft(this.#context, current, attachment),
    });
  }

  /**
   * A feed of this collection for a reader; it reads with the rights that the reader has at each
   * page.
   */
  changes(reader: Reader, options: ChangesFeedOptions): ChangesFeed {
    const { bucket, id, database, observer } = this.#context;
    return new ChangesFeed(
      {
        bucket,
        collection: id,
        database,
        observer,
        cache: this.#cache,
        reader: () =>
          reader.kind === 'admin' ? Promise.resolve(reader) : this.#context.refresh(reader.access),
      },
      options,
    );
  }

  #write(
    writer: Reader,
    id: string | undefined,
    source: string | ScannedObject,
    options: WriteOptions,
  ): Promise<Written> {
    const parsed = parseDocument(source);
    const key = parseDocId(id ?? parsed.id ?? randomUUID());
    if (parsed.id !== undefined && parsed.id !== key)
      throw new GatewayError('badRequest', 'the _id of the body is not the id of the request');
    const draft = documentDraft(parsed, { rev: options.rev, newEdits: options.newEdits });
    const { stored, cancellation } = options;
    const request = { key, writer, cancellation, draft: () => draft };
    return updateDocument(this.#context, stored === undefined ? request : { ...request, stored });
  }

  async #open(
    { digest }: AttachmentStub,
    range?: { readonly start: number; readonly end: number },
  ): Promise<AsyncIterable<Uint8Array>> {
    const found = await this.#context.bucket.getAttachment(digest, range);
    if (found === undefined)
      throw new GatewayError('corrupt', 'the bytes of an attachment are gone');
    return found.bytes;
  }

  #checkSize(text: string): void {
    const most = this.#context.config.limits.document_bytes_max;
    if (text.length > most || (text.length * 3 > most && Buffer.byteLength(text) > most))
      throw new GatewayError('tooLarge', `a document may have ${most} bytes`);
  }
}

/** Documents that one request looks at before others have their turn. */
const STEPS_A_TURN = 100;

function idIn(doc: ScannedObject): string | undefined {
  const member = doc.members.findLast(({ key }) => key === '_id');
  if (member === undefined) return undefined;
  const value: unknown = JSON.parse(doc.text.slice(member.valueStart, member.end));
  return typeof value === 'string' ? value : undefined;
}
