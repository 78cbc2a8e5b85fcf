import type { ScannedObject } from '../document/json-scanner.ts';
import { must } from '../util/assert.ts';
import { nextTurn } from '../util/next-turn.ts';
import type { BulkShare } from './bulk-share.ts';

/** The outcome of one document of a bulk request. */
export type BulkOutcome =
  | { readonly ok: true; readonly id: string; readonly rev: string }
  | { readonly ok: false; readonly id: string; readonly cause: unknown };

/** After so many others have their turn: what is refused at once waits for nothing else. */
const STEPS_A_TURN = 100;

interface BulkWork<Outcome> {
  readonly idOf: (doc: ScannedObject) => string;
  readonly write: (doc: ScannedObject, id: string) => Promise<Outcome>;
  readonly signal: AbortSignal;
  readonly share: BulkShare;
}

/**
 * Writes each document, many at a time, those of one id one after the other in the order given. A
 * refused one harms no other; anything that is no refusal ends the request.
 */
export async function updateMany<Outcome>(
  docs: readonly ScannedObject[],
  bulk: BulkWork<Outcome>,
): Promise<readonly Outcome[]> {
  using _ = bulk.share.begin();
  const writing = new ManyWrites(docs, bulk);
  return await writing.outcomes();
}

class ManyWrites<Outcome> {
  readonly #docs: readonly ScannedObject[];
  readonly #bulk: BulkWork<Outcome>;
  readonly #outcomes: Outcome[] = [];
  readonly #lastOfId = new Map<string, Promise<unknown>>();
  readonly #done = Promise.withResolvers<void>();
  #next = 0;
  /** How many loops write. */
  #writing = 0;
  #failure: { readonly cause: unknown } | undefined;

  constructor(docs: readonly ScannedObject[], bulk: BulkWork<Outcome>) {
    this.#docs = docs;
    this.#bulk = bulk;
  }

  async outcomes(): Promise<readonly Outcome[]> {
    if (this.#docs.length === 0) return [];
    this.#beginMore();
    await this.#done.promise;
    if (this.#failure !== undefined) throw this.#failure.cause;
    return this.#outcomes;
  }

  /** As many loops as are this request's share, which changes with the requests beside it. */
  #beginMore(): void {
    while (this.#hasMore() && this.#writing < this.#bulk.share.each) void this.#loop();
  }

  #hasMore(): boolean {
    return this.#next < this.#docs.length && this.#failure === undefined;
  }

  async #loop(): Promise<void> {
    this.#writing += 1;
    try {
      while (this.#hasMore() && this.#writing <= this.#bulk.share.each) {
        await this.#writeNext();
        this.#beginMore();
      }
    } catch (cause) {
      this.#failure ??= { cause };
    }
    this.#writing -= 1;
    if (this.#writing === 0) this.#done.resolve();
  }

  async #writeNext(): Promise<void> {
    const { idOf, write, signal } = this.#bulk;
    signal.throwIfAborted();
    const index = this.#next++;
    if (this.#next % STEPS_A_TURN === 0) await nextTurn();
    const doc = must(this.#docs[index], 'there is one more');
    const id = idOf(doc);
    const before = this.#lastOfId.get(id);
    const writing = before === undefined ? write(doc, id) : before.then(() => write(doc, id));
    this.#lastOfId.set(id, writing);
    this.#outcomes[index] = await writing;
  }
}
