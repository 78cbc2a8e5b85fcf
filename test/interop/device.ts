import type {
  Change,
  Fields,
  PouchConstructor,
  PouchError,
  ReplicateOptions,
  ReplicationResult,
  Store,
  StoredFields,
} from '../helpers/pouch.ts';
import { openRemoteStore } from '../helpers/remote-store.ts';

/**
 * An application with a PouchDB store of its own. It is told and tells JSON alone, so the same one
 * runs in Node and in a page of a browser (`browser-device.ts`), and the tests cannot tell them
 * apart. It imports nothing of Node.
 */
export interface Device {
  /** Logs in at the gateway by a session cookie. */
  logIn(name: string, password: string): Promise<void>;
  logOut(): Promise<void>;
  /** Gives the new revisions, in order; rejects where the store takes one of them not. */
  write(docs: readonly Fields[]): Promise<readonly string[]>;
  remove(id: string, rev: string): Promise<string>;
  get(id: string, rev?: string): Promise<StoredFields>;
  /** The bytes in base64. */
  attachment(id: string, name: string): Promise<string>;
  pull(options?: ReplicateOptions): Promise<ReplicationResult>;
  push(options?: ReplicateOptions): Promise<ReplicationResult>;
  /** Live, until `stop`, whether or not the gateway can be reached. */
  start(direction: 'pull' | 'both', options?: ReplicateOptions): Promise<void>;
  stop(): Promise<void>;
  state(): Promise<StoreState>;
  /** Resolves as soon as this is its state; rejects when that takes too long. */
  untilState(expected: StoreState): Promise<void>;
  destroy(): Promise<void>;
}

/** The revisions of a document, whoever tells them. */
export interface DocumentState {
  readonly winner: string;
  /** Whether the winner is a tombstone. */
  readonly deleted: boolean;
  /** The living leaves beside the winner, sorted. */
  readonly conflicts: readonly string[];
  /** Every leaf, sorted. */
  readonly leaves: readonly string[];
}

/** By document id, in the order of the ids. */
export type StoreState = Readonly<Record<string, DocumentState>>;

export interface DeviceOptions {
  readonly name: string;
  /** URL of the database. */
  readonly url: string;
  /** `name:password`, by Basic authentication. */
  readonly as?: string;
}

/** The longest wait for a store to be in a state, ms. */
const STATE_WITHIN_MS = 40_000;
/** How long it waits before it tries again to reach a gateway that is away, ms. */
const RETRY_MS = 100;

type Replication = ReturnType<Store['sync']>;

/** A device where it runs; `adapter` is the kind of its own store. */
export class PouchDevice implements Device {
  readonly #pouch: PouchConstructor;
  readonly #url: string;
  readonly #local: Store;
  readonly #remote: Store;
  #running: Replication | undefined;
  #failure: unknown;

  constructor(pouch: PouchConstructor, adapter: string, { name, url, as }: DeviceOptions) {
    this.#pouch = pouch;
    this.#url = url;
    this.#local = new pouch(name, { adapter });
    this.#remote = openRemoteStore(pouch, url, as === undefined ? {} : { as });
  }

  async logIn(name: string, password: string): Promise<void> {
    await this.#session('POST', JSON.stringify({ name, password }));
  }

  async logOut(): Promise<void> {
    await this.#session('DELETE');
  }

  async write(docs: readonly Fields[]): Promise<readonly string[]> {
    const answers = await this.#local.bulkDocs(docs);
    return answers.map((answer) => {
      if ('rev' in answer) return answer.rev;
      throw answer;
    });
  }

  async remove(id: string, rev: string): Promise<string> {
    return (await this.#local.remove(id, rev)).rev;
  }

  get(id: string, rev?: string): Promise<StoredFields> {
    return this.#local.get(id, rev === undefined ? {} : { rev });
  }

  async attachment(id: string, name: string): Promise<string> {
    const { _attachments: attachments } = await this.#local.get(id, { attachments: true });
    const found = (attachments as Record<string, { readonly data: string }> | undefined)?.[name];
    if (found === undefined) throw new Error(`${id} has no attachment ${name}`);
    return found.data;
  }

  async pull(options: ReplicateOptions = {}): Promise<ReplicationResult> {
    return this.#local.replicate.from(this.#remote, options);
  }

  async push(options: ReplicateOptions = {}): Promise<ReplicationResult> {
    return this.#local.replicate.to(this.#remote, options);
  }

  async start(direction: 'pull' | 'both', options: ReplicateOptions = {}): Promise<void> {
    const live = { live: true, retry: true, back_off_function: () => RETRY_MS, ...options };
    this.#running =
      direction === 'pull'
        ? this.#local.replicate.from(this.#remote, live)
        : this.#local.sync(this.#remote, live);
    const fail = (cause: unknown): void => void (this.#failure ??= cause);
    void this.#running.on('denied', fail).on('error', fail);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.cancel();
    await running;
  }

  async state(): Promise<StoreState> {
    const { results } = await this.#local.changes({
      since: 0,
      style: 'all_docs',
      include_docs: true,
      conflicts: true,
    });
    const documents = results.map((change) => [change.id, stateOf(change)] as const);
    return Object.fromEntries(documents.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  async untilState(expected: StoreState): Promise<void> {
    const deadline = performance.now() + STATE_WITHIN_MS;
    for (;;) {
      // NOTE: asked for before the state is read, so nothing falls between.
      const { update_seq: since } = await this.#local.info();
      const wrong = differences(await this.state(), expected);
      if (wrong.length === 0) return;
      const why = this.#failure ?? (await this.#untilChangeAfter(since, deadline));
      if (why !== undefined) throw new Error([told(why), ...wrong].join('\n'));
    }
  }

  async destroy(): Promise<void> {
    await this.stop();
    await this.#local.destroy();
  }

  /** Gives what kept it from coming. */
  async #untilChangeAfter(since: number | string, deadline: number): Promise<unknown> {
    const { promise: over, resolve } = Promise.withResolvers<unknown>();
    const late = `not within ${STATE_WITHIN_MS} ms`;
    const timer = setTimeout(() => resolve(late), deadline - performance.now());
    const changes = this.#local
      .changes({ live: true, since })
      .on('change', () => resolve(this.#failure));
    const why = await over;
    clearTimeout(timer);
    changes.cancel();
    await changes;
    return why;
  }

  async #session(method: string, body?: string): Promise<void> {
    const answer = await this.#pouch.fetch(`${this.#url}/_session`, {
      method,
      // With the cookie, although the page is of another origin.
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    if (answer.ok) return;
    const { status } = answer;
    throw Object.assign(new Error(await answer.text()), { status }) satisfies Partial<PouchError>;
  }
}

function stateOf({ deleted, changes, doc }: Change): DocumentState {
  const conflicts = (doc?.['_conflicts'] ?? []) as readonly string[];
  return {
    winner: doc?._rev ?? '',
    deleted: deleted === true,
    conflicts: conflicts.toSorted(),
    leaves: changes.map(({ rev }) => rev).toSorted(),
  };
}

/** A line for each document that is not as it should be; none where all are. */
function differences(held: StoreState, expected: StoreState): readonly string[] {
  const ids = new Set([...Object.keys(held), ...Object.keys(expected)]);
  return [...ids]
    .map((id) => [id, JSON.stringify(held[id]), JSON.stringify(expected[id])] as const)
    .filter(([, is, should]) => is !== should)
    .map(([id, is, should]) => `${id}: ${is}, not ${should}`);
}

function told(cause: unknown): string {
  return cause instanceof Error ? String(cause) : JSON.stringify(cause);
}
