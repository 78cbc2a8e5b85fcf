/**
 * Numbers by name, for who counts something with every request: as fields of one object each change
 * would be a search in it. The names are given once.
 */
export class Figures {
  readonly #places: ReadonlyMap<string, number>;
  readonly #values: Float64Array;

  /** `places`: `placesOf` of all names. */
  constructor(places: ReadonlyMap<string, number>) {
    this.#places = places;
    this.#values = new Float64Array(places.size);
  }

  static placesOf(names: Iterable<string>): ReadonlyMap<string, number> {
    return new Map(Array.from(new Set(names), (name, place) => [name, place]));
  }

  /** 0 for what was never counted. */
  get(name: string): number {
    const place = this.#places.get(name);
    return place === undefined ? 0 : (this.#values[place] ?? 0);
  }

  add(name: string, amount: number): void {
    const place = this.#places.get(name);
    if (place !== undefined) this.#values[place] = (this.#values[place] ?? 0) + amount;
  }

  raise(name: string, to: number): void {
    this.add(name, Math.max(0, to - this.get(name)));
  }
}
