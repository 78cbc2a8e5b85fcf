import { isDeepStrictEqual } from 'node:util';
import type { Bucket, MutationPage } from '../bucket/bucket.ts';
import type { Cas, Sequence } from '../document/types.ts';
import { sequence, ZERO } from '../document/types.ts';
import { must } from '../util/assert.ts';
import type { Clock } from '../util/clock.ts';
import type { DocumentTask } from './document-task.ts';
import type { HandlerPosition, StoredPosition } from './handler-positions.ts';
import { ToldRanges } from './told-ranges.ts';

/** What was read and is not told, the oldest first. */
type Pending = Iterable<Pick<DocumentTask, 'seq' | 'sinceSecs' | 'coveredUpTo'>>;

/** More ranges of what is told beyond the position are not remembered: some 10 kB. */
const RANGES_MAX = 2000;

/**
 * How far one handler has read the history, how far all is told, and what of that is stored. It
 * also knows whether changes may have been passed over: the history tells of a document that was
 * changed again only its newest sequence, and leaves the others out.
 */
export class HandlerProgress {
  #stored: StoredPosition | undefined;
  #readUpTo: Sequence = ZERO;
  /** All that was written up to here is read, what was superseded by then too. */
  #coveredUpTo: Sequence = ZERO;
  /** What is told of what was read after that; of other than documents there is nothing to tell. */
  readonly #told = new ToldRanges(RANGES_MAX);
  /** The end of the history when it was last looked at. */
  #end: Sequence = ZERO;
  /** What is after `coveredUpTo` was committed at this Unix second or later. */
  #sinceSecs: number | undefined;
  /** Whether sequences were left out whose documents may come yet. */
  #isGapOpen = false;

  begin(stored: StoredPosition): void {
    this.#stored = stored;
    this.#readUpTo = stored.seq;
    this.#coveredUpTo = stored.coveredUpTo;
    this.#told.addNumbers(stored.told);
    this.#end = stored.seq;
    this.#sinceSecs = stored.sinceSecs;
    this.#isGapOpen = stored.coveredUpTo < stored.seq;
  }

  get readUpTo(): Sequence {
    return this.#readUpTo;
  }

  /** Of the position as it is stored. */
  get cas(): Cas {
    return must(this.#stored, 'it has begun').cas;
  }

  /** What holds for the changes of this page. */
  reading(page: MutationPage): Pick<DocumentTask, 'sinceSecs' | 'isGapBefore' | 'coveredUpTo'> {
    const seen = new Set(page.mutations.map(({ seq }) => seq));
    if (seen.size < page.upTo - this.#readUpTo) this.#isGapOpen = true;
    return {
      sinceSecs: this.#sinceSecs,
      isGapBefore: this.#isGapOpen,
      coveredUpTo: this.#coveredUpTo,
    };
  }

  /** Its changes are taken up. */
  async reached(page: MutationPage, bucket: Bucket, clock: Clock): Promise<void> {
    this.#readUpTo = page.upTo;
    const nowSecs = Math.floor(clock.now() / 1000);
    this.#end = await bucket.lastSequence();
    if (this.#end > page.upTo) return;
    this.#sinceSecs = nowSecs;
    this.#coveredUpTo = page.upTo;
    this.#isGapOpen = false;
  }

  /** This change is told, or is none to be told. */
  told(seq: Sequence): void {
    this.#told.add(seq);
  }

  /**
   * Whether what was written at this sequence is told, as far as is remembered; of a document's
   * earlier revision only where it was read before it was superseded.
   */
  isTold(seq: Sequence): boolean {
    return this.#told.has(seq);
  }

  /** How far all is told, where that is not stored. */
  position(pending: Pending): HandlerPosition | undefined {
    const position = this.#positionOf(pending);
    const { cas: _, ...stored } = must(this.#stored, 'it has begun');
    return isDeepStrictEqual(position, stored) ? undefined : position;
  }

  saved(position: HandlerPosition, cas: Cas): void {
    this.#stored = { ...position, cas };
  }

  behind(pending: Pending): number {
    const [oldest] = pending;
    return this.#end - (oldest === undefined ? this.#readUpTo : oldest.seq - 1);
  }

  #positionOf(pending: Pending): HandlerPosition {
    const [oldest] = pending;
    const { sinceSecs, coveredUpTo } = oldest ?? {
      sinceSecs: this.#sinceSecs,
      coveredUpTo: this.#coveredUpTo,
    };
    this.#told.dropUpTo(coveredUpTo);
    const seq = oldest === undefined ? this.#readUpTo : sequence(oldest.seq - 1);
    return { seq, sinceSecs, coveredUpTo, told: this.#told.toNumbers() };
  }
}
