/** Up to so many members a list is searched faster than a set is made. */
const LIST_SEARCH_MAX = 8;

/** Each once, in their order, but for those in `without`; as fast for two as for thousands. */
export function distinct<T>(all: readonly T[], without: readonly T[] = []): readonly T[] {
  if (all.length + without.length > LIST_SEARCH_MAX) {
    const set = new Set(all);
    for (const one of without) set.delete(one);
    return [...set];
  }
  const kept: T[] = [];
  for (const one of all) if (!kept.includes(one) && !without.includes(one)) kept.push(one);
  return kept;
}
