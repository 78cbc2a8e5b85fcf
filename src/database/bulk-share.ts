/**
 * How many documents all bulk requests together have in work: enough to fill batches of the sandbox
 * and commits, and so few that what each of them needs is garbage before the young part of the heap
 * is collected.
 */
const AT_ONCE_MAX = 100;
/** So many has each request in any case. */
const AT_ONCE_LEAST = 8;

/** What is in work is divided among the bulk requests of a collection. */
export class BulkShare {
  #requests = 0;

  /** One request more, until it is disposed of. */
  begin(): Disposable {
    this.#requests += 1;
    return { [Symbol.dispose]: () => void (this.#requests -= 1) };
  }

  /** Documents that each request may have in work now. */
  get each(): number {
    return Math.max(AT_ONCE_LEAST, Math.floor(AT_ONCE_MAX / Math.max(1, this.#requests)));
  }
}
