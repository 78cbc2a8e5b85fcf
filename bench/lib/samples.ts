/** A document of about 1 KB, as bench/shared/load.mjs writes it. */
export function order(n: number): Readonly<Record<string, unknown>> {
  return {
    type: 'order',
    channels: [`ch${n % 20}`, 'all'],
    owner: `u${n % 50}`,
    n,
    items: [
      { sku: `a${n}`, qty: 2 },
      { sku: `b${n}`, qty: 1 },
    ],
    note: 'x'.repeat(700),
  };
}

/** The same with its keys in the order that the canonical form has. */
export function sortedOrder(n: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(order(n)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** A document of many small members, numbers and nested objects: most work for a scanner. */
export function dense(members: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Array.from({ length: members }, (_, i) => [`k${i}`, { a: i, b: [i, i / 7, true], c: 'é"\n' }]),
  );
}

/** The ids of a revision and its ancestors, the newest first. */
export function revisionIds(generations: number): readonly string[] {
  return Array.from({ length: generations }, (_, i) => {
    const generation = generations - i;
    return `${generation}-${generation.toString(16).padStart(32, '0')}`;
  });
}
