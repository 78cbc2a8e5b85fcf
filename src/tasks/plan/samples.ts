/** Ids that are told of documents that would move, of each kind. */
export const SAMPLES_MAX = 5;
/** Characters of all samples of a report together; what comes then has none. */
const SAMPLES_CHARS_MAX = 4_000_000;

/** A document as an example. */
export interface Sample {
  readonly collection: string;
  readonly id: string;
}

/** Gives out examples as long as a report of a bounded size has place for them. */
export class Samples {
  #charsLeft = SAMPLES_CHARS_MAX;

  add(to: Sample[], collection: string, ids: readonly string[]): void {
    for (const id of ids) {
      if (to.length >= SAMPLES_MAX || this.#charsLeft < id.length) return;
      to.push({ collection, id });
      this.#charsLeft -= id.length + collection.length;
    }
  }
}
