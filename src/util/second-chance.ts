/** An entry of a cache: whether it was used since it was last looked at for an eviction. */
export interface Used {
  isUsed: boolean;
}

/**
 * For who looks for the oldest entry of a cache: puts one that was used to the end instead, where
 * it is met once more, without its use. So a use changes no table, as an exact order would.
 */
export function hasSecondChance<K, V extends Used>(all: Map<K, V>, key: K, entry: V): boolean {
  if (!entry.isUsed) return false;
  entry.isUsed = false;
  all.delete(key);
  all.set(key, entry);
  return true;
}
