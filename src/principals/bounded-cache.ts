import { hasSecondChance, type Used } from '../util/second-chance.ts';

interface Entry<V> extends Used {
  readonly value: V;
  readonly weight: number;
}

/**
 * A map that keeps what is asked for: past `weightMax` the oldest entry goes, but that one that was
 * asked for has a second chance. An entry that alone outweighs the limit is not kept.
 */
export class BoundedCache<K, V> {
  readonly #entries = new Map<K, Entry<V>>();
  readonly #weightMax: number;
  #weight = 0;

  constructor(weightMax: number) {
    this.#weightMax = weightMax;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.isUsed = true;
    return entry.value;
  }

  /** `weight` in the unit of `weightMax`, at least 1. */
  set(key: K, value: V, weight = 1): void {
    this.delete(key);
    if (weight > this.#weightMax) return;
    this.#makeRoom(weight);
    this.#entries.set(key, { value, weight, isUsed: false });
    this.#weight += weight;
  }

  delete(key: K): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Ends: who got its second chance is met again only without one. */
  #makeRoom(weight: number): void {
    for (const [key, entry] of this.#entries) {
      if (this.#weight + weight <= this.#weightMax) return;
      if (!hasSecondChance(this.#entries, key, entry)) this.delete(key);
    }
  }
}
