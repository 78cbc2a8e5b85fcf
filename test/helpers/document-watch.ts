import { EventEmitter, once } from 'node:events';
import type { Change, Fields, Store } from './pouch.ts';

/** A document that a store holds, at its winning revision. */
export interface HeldDocument {
  readonly rev: string;
  readonly doc: Fields;
}

/** The longest wait for a store to hold what it should, ms. */
const HOLDS_WITHIN_MS = 40_000;

/** Follows a store's own feed, and so knows at any moment what it holds, and when that changes. */
export class DocumentWatch implements Disposable {
  readonly #changes: ReturnType<Store['changes']>;
  readonly #held = new Map<string, HeldDocument>();
  readonly #events = new EventEmitter();
  readonly #about: string;
  #failure: unknown;

  /** `about` names the store where a wait for it fails. */
  constructor(store: Store, about: string) {
    this.#about = about;
    this.#changes = store
      .changes({ live: true, since: 0, include_docs: true, batch_size: 500 })
      .on('change', (change: Change) => this.#take(change));
    this.#changes.catch((cause: unknown) => this.fail(cause));
  }

  /** By document id; what was deleted or taken out of the reader's channels is not in it. */
  get held(): ReadonlyMap<string, HeldDocument> {
    return this.#held;
  }

  /** Resolves as soon as it holds what is asked for; rejects when that takes too long. */
  async until(
    what: string,
    isSo: (held: ReadonlyMap<string, HeldDocument>) => boolean,
  ): Promise<void> {
    const signal = AbortSignal.timeout(HOLDS_WITHIN_MS);
    while (!isSo(this.#held)) {
      if (this.#failure !== undefined) throw this.#failed(what, this.#failure);
      await once(this.#events, 'change', { signal }).catch((cause: unknown) => {
        throw this.#failed(what, cause);
      });
    }
  }

  /** Ends every wait: what it waits for can no longer come. */
  fail(cause: unknown): void {
    this.#failure = cause;
    this.#events.emit('change');
  }

  [Symbol.dispose](): void {
    this.#changes.cancel();
  }

  #take({ id, deleted, doc }: Change): void {
    const { _rev: rev = '', ...fields } = doc ?? {};
    if (deleted === true || isRemoved(fields)) this.#held.delete(id);
    else this.#held.set(id, { rev, doc: fields });
    this.#events.emit('change');
  }

  #failed(what: string, cause: unknown): Error {
    return new Error(`${this.#about} holds ${this.#held.size} documents, not ${what}`, { cause });
  }
}

/**
 * PouchDB knows no `_removed`: a revision that left its reader's channels comes as one without any
 * property.
 */
function isRemoved(fields: Fields): boolean {
  return Object.keys(fields).every((property) => property === '_id');
}
