interface Entry<V> {
  readonly value: V;
  readonly weight: number;
  /** Whether it was asked for since it was last looked at. */
  isAsked: boolean;
}

/**
 * A map that keeps what is asked for: past `weightMax` the oldest entry goes, but that one that was
 * asked for since it was put there is put at the end instead ("second chance"). So a hit changes no
 * table, as keeping the exact order would. An entry that alone outweighs the limit is not kept.
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
    entry.isAsked = true;
    return entry.value;
  }

  /** `weight` in the unit of `weightMax`, at least 1. */
  set(key: K, value: V, weight = 1): void {
    this.delete(key);
    if (weight > this.#weightMax) return;
    this.#makeRoom(weight);
    this.#entries.set(key, { value, weight, isAsked: false });
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
      if (entry.isAsked) {
        entry.isAsked = false;
        this.#entries.delete(key);
        this.#entries.set(key, entry);
      } else this.delete(key);
    }
  }
}
