import { EventEmitter, once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { DocumentWatch } from './document-watch.ts';
import type { Store, StoredFields } from './pouch.ts';
import { localStore, remoteStore } from './pouch.ts';
import type { RemoteOptions } from './remote-store.ts';

export interface PouchClientOptions extends RemoteOptions {
  readonly name: string;
  /** URL of the database. */
  readonly url: string;
}

interface SyncChange {
  readonly direction: 'push' | 'pull';
  readonly change: { readonly docs: readonly StoredFields[] };
}

/** How long a client waits before it tries again to reach a gateway that is away, ms. */
const RETRY_MS = 100;
const DENIED_WITHIN_MS = 20_000;
/** Revisions in one request. */
const BATCH_SIZE = 50;

/** An application with a store of its own that a gateway keeps in sync. */
export class PouchClient implements AsyncDisposable {
  readonly name: string;
  readonly local: Store;
  readonly remote: Store;
  readonly watch: DocumentWatch;
  /** Revisions that the gateway has acknowledged, by document. */
  readonly acknowledged = new Map<string, string[]>();
  readonly #denied = new Set<string>();
  readonly #events = new EventEmitter();
  #sync: ReturnType<Store['sync']> | undefined;

  constructor({ name, url, ...options }: PouchClientOptions) {
    this.name = name;
    this.local = localStore(`${name}-${randomUUID()}`);
    this.remote = remoteStore(url, options);
    this.watch = new DocumentWatch(this.local, name);
  }

  /** Both ways, live, until `stopSync`, whether or not the gateway can be reached. */
  startSync(): void {
    this.#sync = this.local
      .sync(this.remote, {
        live: true,
        retry: true,
        batch_size: BATCH_SIZE,
        back_off_function: () => RETRY_MS,
      })
      .on('change', ({ direction, change }: SyncChange) => {
        if (direction === 'push') this.#acknowledge(change.docs);
      })
      .on('denied', ({ doc }: { readonly doc: { readonly id: string } }) => {
        this.#denied.add(doc.id);
        this.#events.emit('denied');
      })
      .on('error', (cause: unknown) => this.watch.fail(cause));
  }

  /** Ids of the documents that the gateway has refused to take. */
  get denied(): ReadonlySet<string> {
    return this.#denied;
  }

  /** Resolves once the gateway has refused a revision of that document. */
  async untilDenied(id: string): Promise<void> {
    const signal = AbortSignal.timeout(DENIED_WITHIN_MS);
    while (!this.#denied.has(id)) await once(this.#events, 'denied', { signal });
  }

  async stopSync(): Promise<void> {
    const sync = this.#sync;
    if (sync === undefined) return;
    this.#sync = undefined;
    const complete = once(sync, 'complete');
    sync.cancel();
    await complete;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopSync();
    this.watch[Symbol.dispose]();
    await this.local.destroy();
  }

  #acknowledge(docs: readonly StoredFields[]): void {
    for (const { _id: id, _rev: rev } of docs) {
      this.acknowledged.set(id, [...(this.acknowledged.get(id) ?? []), rev]);
    }
  }
}
