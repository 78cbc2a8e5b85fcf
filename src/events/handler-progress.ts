import { isDeepStrictEqual } from 'node:util';
import type { Bucket, MutationPage } from '../bucket/bucket.ts';
import type { Cas, Sequence } from '../document/types.ts';
import { sequence, ZERO } from '../document/types.ts';
import { must } from '../util/assert.ts';
import type { Clock } from '../util/clock.ts';
import type { DocumentTask } from './document-task.ts';
import type { HandlerPosition, StoredPosition } from './handler-positions.ts';

type Pending = Iterable<Pick<DocumentTask, 'seq' | 'sinceSecs'>>;

/** Changes that are not told among others that are: more of them are not remembered. */
const EXCEPT_MAX = 500;

/**
 * How far one handler has read the history, how far all is told, and what of that is stored. It
 * also knows whether changes may have been passed over: the history tells of a document that was
 * changed again only its newest sequence, and leaves the others out.
 */
export class HandlerProgress {
  #stored: StoredPosition | undefined;
  #readUpTo: Sequence = ZERO;
  /** When it began, all up to here was told but these. */
  #toldUpTo: Sequence = ZERO;
  #untold: ReadonlySet<Sequence> = new Set();
  /** The end of the history when it was last looked at. */
  #end: Sequence = ZERO;
  /** What is after `readUpTo` was committed at this Unix second or later. */
  #sinceSecs: number | undefined;
  /** Whether sequences were left out whose documents may come yet. */
  #isGapOpen = false;

  begin(stored: StoredPosition): void {
    this.#stored = stored;
    this.#toldUpTo = stored.beyond?.upTo ?? stored.seq;
    this.#untold = new Set(stored.beyond?.except);
    this.#readUpTo = stored.seq;
    this.#end = stored.seq;
    this.#sinceSecs = stored.sinceSecs;
  }

  get readUpTo(): Sequence {
    return this.#readUpTo;
  }

  /** Of the position as it is stored. */
  get cas(): Cas {
    return must(this.#stored, 'it has begun').cas;
  }

  /** What holds for the changes of this page. */
  reading(page: MutationPage): Pick<DocumentTask, 'sinceSecs' | 'isGapBefore'> {
    const told = new Set(page.mutations.map(({ seq }) => seq));
    if (told.size < page.upTo - this.#readUpTo) this.#isGapOpen = true;
    return { sinceSecs: this.#sinceSecs, isGapBefore: this.#isGapOpen };
  }

  /** Its changes are taken up. */
  async reached(page: MutationPage, bucket: Bucket, clock: Clock): Promise<void> {
    this.#readUpTo = page.upTo;
    const nowSecs = Math.floor(clock.now() / 1000);
    this.#end = await bucket.lastSequence();
    if (this.#end > page.upTo) return;
    this.#sinceSecs = nowSecs;
    this.#isGapOpen = false;
  }

  /** Whether this change was told before the position was stored. */
  isTold(seq: Sequence): boolean {
    return seq <= this.#toldUpTo && !this.#untold.has(seq);
  }

  /** How far all is told, where that is not stored; `pending`: what is not, the oldest first. */
  position(pending: Pending): HandlerPosition | undefined {
    const position = this.#told(pending);
    const { seq, beyond } = must(this.#stored, 'it has begun');
    const isStored = position.seq === seq && isDeepStrictEqual(position.beyond, beyond);
    return isStored ? undefined : position;
  }

  saved(position: HandlerPosition, cas: Cas): void {
    this.#stored = { ...position, cas };
  }

  behind(pending: Pending): number {
    return this.#end - this.#told(pending).seq;
  }

  #told(pending: Pending): HandlerPosition {
    const except: Sequence[] = [];
    let oldest: Pick<DocumentTask, 'seq' | 'sinceSecs'> | undefined;
    for (const task of pending) {
      oldest ??= task;
      if (except.push(task.seq) > EXCEPT_MAX) break;
    }
    // What was known at the beginning still holds for what is not read again yet.
    for (const seq of this.#untold) if (seq > this.#readUpTo) except.push(seq);
    const upTo = sequence(Math.max(this.#readUpTo, this.#toldUpTo));
    const seq = oldest === undefined ? this.#readUpTo : sequence(oldest.seq - 1);
    const sinceSecs = oldest === undefined ? this.#sinceSecs : oldest.sinceSecs;
    if (except.length > EXCEPT_MAX || upTo === seq) return { seq, sinceSecs };
    return { seq, sinceSecs, beyond: { upTo, except } };
  }
}
