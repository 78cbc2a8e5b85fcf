import assert from 'node:assert/strict';
import { COLLECTIONS, type CollectionName, type CollectionsModel } from './collections-model.ts';

/**
 * What may be on its way to a reader who follows while others write: the revisions that it might
 * see at some moment since all feeds were last known to be quiet (invariant 2).
 */
export class Sanctioned {
  readonly #revisions = new Map<string, Set<string>>();

  /** The state of the database might be this one. */
  add(model: CollectionsModel, users: Iterable<string>): void {
    for (const user of users)
      for (const collection of COLLECTIONS)
        for (const [id, rev] of model.visible(user, collection))
          this.#of(user, collection).add(`${id} ${rev}`);
  }

  clear(): void {
    this.#revisions.clear();
  }

  /** Fails where the user could not see that revision. */
  assert(
    user: string,
    collection: CollectionName,
    told: { readonly id: string; readonly rev: string; readonly about: unknown },
  ): void {
    const { id, rev, about } = told;
    const seen = this.#of(user, collection);
    assert(
      seen.has(`${id} ${rev}`),
      `${user} was sent ${id} of ${collection}: ${JSON.stringify(about)}`,
    );
  }

  #of(user: string, collection: CollectionName): Set<string> {
    const name = `${user} ${collection}`;
    const known = this.#revisions.get(name) ?? new Set<string>();
    this.#revisions.set(name, known);
    return known;
  }
}
