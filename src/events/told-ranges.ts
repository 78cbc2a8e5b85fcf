import type { Sequence } from '../document/types.ts';
import { sequence, ZERO } from '../document/types.ts';

/**
 * A set of sequences, as ranges: what is told side by side leaves few. Of more ranges than it may
 * have it forgets the lowest.
 */
export class ToldRanges {
  readonly #most: number;
  /** Ascending, and with gaps between: the first and the last of each range. */
  readonly #ranges: [first: number, last: number][] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  has(seq: Sequence): boolean {
    const range = this.#ranges[this.#below(seq)];
    return range !== undefined && seq <= range[1];
  }

  add(seq: Sequence): void {
    const at = this.#below(seq);
    const [before, after] = [this.#ranges[at], this.#ranges[at + 1]];
    if (before !== undefined && seq <= before[1]) return;
    const follows = before !== undefined && before[1] === seq - 1;
    const leads = after !== undefined && after[0] === seq + 1;
    if (follows && leads) {
      before[1] = after[1];
      this.#ranges.splice(at + 1, 1);
    } else if (follows) before[1] = seq;
    else if (leads) after[0] = seq;
    else this.#ranges.splice(at + 1, 0, [seq, seq]);
    if (this.#ranges.length > this.#most) this.#ranges.shift();
  }

  /** Forgets all up to there. */
  dropUpTo(seq: Sequence): void {
    const at = this.#below(seq);
    if (at < 0) return;
    const range = this.#ranges[at];
    const isCut = range !== undefined && range[1] > seq;
    if (isCut) range[0] = seq + 1;
    this.#ranges.splice(0, isCut ? at : at + 1);
  }

  /** As differences: of each range the gap before it, and its length. */
  toNumbers(): readonly number[] {
    let end: number = ZERO;
    return this.#ranges.flatMap(([first, last]) => {
      const gap = first - end;
      end = last;
      return [gap, last - first];
    });
  }

  /** Takes up what `toNumbers` gave. */
  addNumbers(numbers: readonly number[]): void {
    let end: number = ZERO;
    for (let at = 0; at + 1 < numbers.length; at += 2) {
      const first = end + (numbers[at] ?? 0);
      end = first + (numbers[at + 1] ?? 0);
      this.#ranges.push([sequence(first), sequence(end)]);
    }
  }

  /** The last range that begins at or before it; -1 for none. */
  #below(seq: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.[0] ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
