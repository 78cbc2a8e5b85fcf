/**
 * Members that come and go with every request. A `Set` would make a new table for each few of them,
 * and an obsolete table that has grown old keeps all later ones, and what was in them, in memory
 * until the next full collection: most of what requests leave behind would be collected as if it
 * had been kept for long (docs/decisions/slots-for-what-comes-and-goes.md).
 */
export class SlotList<T extends object> implements Iterable<T> {
  readonly #slots: (T | undefined)[] = [];
  readonly #free: number[] = [];

  /** The slot that it takes, which `remove` frees. */
  add(member: T): number {
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = member;
    return slot;
  }

  /** What was removed already is no error, as long as nobody else has got the slot. */
  remove(slot: number, member: T): void {
    if (this.#slots[slot] !== member) return;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
  }

  get size(): number {
    return this.#slots.length - this.#free.length;
  }

  /** Members may come and go meanwhile: who comes may be met or not. */
  *[Symbol.iterator](): Generator<T, void> {
    for (const member of this.#slots) if (member !== undefined) yield member;
  }
}
