import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { openRemoteStore } from './remote-store.ts';
import type { RemoteOptions } from './remote-store.ts';

// PouchDB of the parts that a client needs: a store in memory, HTTP, replication; and the types of
// what is used here. NOTE: `@types/pouchdb-core` would bring the DOM's types into every file.

/** A document of any shape. */
export type Fields = Readonly<Record<string, unknown>>;
export type StoredFields = Fields & { readonly _id: string; readonly _rev: string };

export interface WriteAnswer {
  readonly id: string;
  readonly rev: string;
}

/** What PouchDB rejects with, and what `bulkDocs` gives for a document that it did not take. */
export interface PouchError extends Error {
  readonly status: number;
  readonly name: string;
}

export interface GetOptions {
  readonly rev?: string;
  /** With the bytes of its attachments, in base64. */
  readonly attachments?: boolean;
}

interface BulkGetOptions {
  readonly docs: readonly { readonly id: string; readonly rev: string }[];
  readonly attachments?: boolean;
  readonly binary?: boolean;
}

interface BulkGetResult {
  readonly id: string;
  readonly docs: readonly OpenRevision[];
}

interface OpenRevision {
  readonly ok?: StoredFields;
}

interface AllDocsRow {
  readonly id: string;
  readonly value: { readonly rev: string };
}

export interface Change {
  readonly id: string;
  readonly deleted?: boolean;
  readonly changes: readonly { readonly rev: string }[];
  readonly doc?: StoredFields;
}

/** Both an event emitter and a promise of its end. */
interface Running<Result> extends EventEmitter, Promise<Result> {
  cancel(): void;
}

export interface ReplicationResult {
  readonly ok: boolean;
  readonly status: string;
  readonly docs_read: number;
  readonly docs_written: number;
  readonly doc_write_failures: number;
  readonly last_seq: number | string;
}

export interface ReplicateOptions {
  readonly live?: boolean;
  /** Goes on after a failure, as long as it takes. */
  readonly retry?: boolean;
  readonly batch_size?: number;
  /** Gives the next wait before it tries again, ms. */
  readonly back_off_function?: (lastMs: number) => number;
  /** Only some of the documents: by the name of a filter and what it is told, or by their ids. */
  readonly filter?: string;
  readonly query_params?: Fields;
  readonly doc_ids?: readonly string[];
}

interface ChangesOptions {
  readonly live?: boolean;
  readonly since: number | string;
  readonly include_docs?: boolean;
  readonly batch_size?: number;
  readonly limit?: number;
  /** Every leaf of a document, not its winner alone. */
  readonly style?: 'all_docs';
  readonly conflicts?: boolean;
}

interface StoreInfo {
  readonly db_name: string;
  readonly update_seq: number | string;
}

/** A database: of an application, or of a gateway as PouchDB sees it. */
export interface Store {
  get(id: string, options?: GetOptions): Promise<StoredFields>;
  get(id: string, options: { readonly open_revs: 'all' }): Promise<readonly OpenRevision[]>;
  put(doc: Fields): Promise<WriteAnswer>;
  remove(id: string, rev: string): Promise<WriteAnswer>;
  bulkDocs(docs: readonly Fields[]): Promise<(WriteAnswer | PouchError)[]>;
  allDocs(): Promise<{ readonly rows: readonly AllDocsRow[] }>;
  bulkGet(options: BulkGetOptions): Promise<{ readonly results: readonly BulkGetResult[] }>;
  getAttachment(id: string, name: string, options?: GetOptions): Promise<Buffer>;
  changes(options: ChangesOptions): Running<{ readonly results: readonly Change[] }>;
  sync(other: Store, options: ReplicateOptions): Running<unknown>;
  readonly replicate: {
    to(other: Store, options?: ReplicateOptions): Running<ReplicationResult>;
    from(other: Store, options?: ReplicateOptions): Running<ReplicationResult>;
  };
  info(): Promise<StoreInfo>;
  destroy(): Promise<unknown>;
}

export interface PouchConstructor {
  new (name: string, options: Readonly<Record<string, unknown>>): Store;
  plugin(part: unknown): PouchConstructor;
  readonly fetch: typeof fetch;
}

const load = createRequire(import.meta.url);
/** For Node, its stores in memory. */
export const PouchDB = [
  'pouchdb-adapter-memory',
  'pouchdb-adapter-http',
  'pouchdb-replication',
].reduce((pouch, part) => pouch.plugin(load(part)), load('pouchdb-core') as PouchConstructor);

/** What PouchDB asks the network with. */
export const networkFetch: typeof fetch = PouchDB.fetch;

/** A store in memory; everyone who gives the name gets the same one. */
export function localStore(name: string): Store {
  return new PouchDB(name, { adapter: 'memory' });
}

/** A database of a gateway. */
export function remoteStore(url: string, options: RemoteOptions = {}): Store {
  return openRemoteStore(PouchDB, url, options);
}
