/** Documents of one commit: other writers of the bucket wait for it. */
const SIZE_MAX = 250;
/** Of the first batch: nobody knows yet what the functions do. */
const SIZE_FIRST = 32;
/** A batch that takes longer is followed by a smaller one … */
const SLOW_MS = 1000;
/** … and one that takes less by a larger one. */
const QUICK_MS = 250;
/** The longest pause after a batch on which a function broke. */
const PAUSE_MS_MOST = 10_000;

/** What became of a batch. */
export interface BatchOutcome {
  readonly documents: number;
  /** On which a function broke. */
  readonly broken: number;
  /** That functions took for it. */
  readonly elapsedMs: number;
}

/**
 * How many documents the import takes at a time: as many as functions judge in about a second. With
 * a function that loops that is one; then the import also pauses for three times as long as it
 * took, so that others have most of the processor.
 */
export class BatchSize {
  #size = SIZE_FIRST;

  get now(): number {
    return this.#size;
  }

  /** Learns from a batch; how long to pause before the next one, ms. */
  learn({ documents, broken, elapsedMs }: BatchOutcome): number {
    if (elapsedMs > SLOW_MS)
      this.#size = Math.max(1, Math.floor((documents * SLOW_MS) / elapsedMs));
    else if (elapsedMs < QUICK_MS) this.#size = Math.min(SIZE_MAX, this.#size * 2);
    const isMostlyBroken = broken * 2 > documents;
    return isMostlyBroken && elapsedMs > QUICK_MS ? Math.min(elapsedMs * 3, PAUSE_MS_MOST) : 0;
  }
}
