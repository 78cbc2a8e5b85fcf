import type { Sequence } from '../document/types.ts';
import type { Listener } from './listener.ts';

interface Mark {
  newest: Sequence;
  /** Whether it changed since it was last looked at for an eviction. */
  isRaised: boolean;
  listeners: Set<Listener> | undefined;
}

/** How many marks are looked at to find one that goes. */
const EVICTION_LOOKS_MAX = 32;

/**
 * The newest sequence of each name (channel or principal), and who listens to it. At most
 * `namesMax` names are kept beside those that are listened to; of others is known that they have
 * not changed since `#othersFrom`. So `newest` never tells too little, and a comparison with it
 * tells that nothing happened without asking the bucket. /
 */
export class ChangeMarks {
  /**
   * The one that is looked at next first. A change moves no mark, since each change has several:
   * to delete from a map and to add to it at that rate makes it a new table all the time.
   */
  readonly #marks = new Map<string, Mark>();
  readonly #namesMax: number;
  /** Names without a mark have not changed since. */
  #othersFrom: Sequence;
  /** What happened before is not known of any name. */
  #allFrom: Sequence;

  constructor(options: { readonly namesMax: number; readonly knownFrom: Sequence }) {
    this.#namesMax = options.namesMax;
    this.#othersFrom = options.knownFrom;
    this.#allFrom = options.knownFrom;
  }

  /** How many names are kept. */
  get size(): number {
    return this.#marks.size;
  }

  /** How many of them somebody listens to. Looks at all: for who asks now and then. */
  get listenedTo(): number {
    let count = 0;
    for (const { listeners } of this.#marks.values()) if (listeners !== undefined) count += 1;
    return count;
  }

  /** `name` changed at `seq`: wakes who listens to it. */
  raise(name: string, seq: Sequence): void {
    const mark = this.#marks.get(name);
    if (mark === undefined) {
      this.#add(name, seq);
      return;
    }
    mark.newest = seq;
    mark.isRaised = true;
    if (mark.listeners === undefined) return;
    for (const listener of mark.listeners) listener.raise(seq);
  }

  /** Anything may have changed up to `seq`: wakes all. */
  raiseAll(seq: Sequence): void {
    this.#othersFrom = seq;
    this.#allFrom = seq;
    for (const { listeners } of this.#marks.values()) {
      if (listeners === undefined) continue;
      for (const listener of listeners) listener.raise(seq);
    }
  }

  /** The last sequence at which `name` may have changed. */
  newest(name: string): Sequence {
    const mark = this.#marks.get(name);
    if (mark === undefined) return this.#othersFrom;
    return mark.newest < this.#allFrom ? this.#allFrom : mark.newest;
  }

  listen(name: string, listener: Listener): void {
    const mark = this.#marks.get(name) ?? this.#add(name, this.#othersFrom);
    mark.listeners ??= new Set();
    mark.listeners.add(listener);
  }

  unlisten(name: string, listener: Listener): void {
    const mark = this.#marks.get(name);
    if (mark?.listeners === undefined) return;
    mark.listeners.delete(listener);
    if (mark.listeners.size === 0) mark.listeners = undefined;
  }

  #add(name: string, newest: Sequence): Mark {
    this.#evict();
    const mark: Mark = { newest, isRaised: false, listeners: undefined };
    this.#marks.set(name, mark);
    return mark;
  }

  /**
   * Makes room for one more name: one goes that nobody listens to, and that did not change since it
   * was looked at before, or the last that is looked at. Others are put at the end, so that the
   * next eviction finds them late.
   */
  #evict(): void {
    let looks = 0;
    for (const [name, mark] of this.#marks) {
      if (this.#marks.size < this.#namesMax || looks === EVICTION_LOOKS_MAX) return;
      looks += 1;
      this.#marks.delete(name);
      const isKept = mark.isRaised && looks < EVICTION_LOOKS_MAX;
      if (mark.listeners === undefined && !isKept) {
        if (mark.newest > this.#othersFrom) this.#othersFrom = mark.newest;
      } else {
        mark.isRaised = false;
        this.#marks.set(name, mark);
      }
    }
  }
}
