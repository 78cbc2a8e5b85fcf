/**
 * Orders strings by the bytes of their UTF-8, as the canonical form and document listings want it.
 * That is the order of code points; it differs from `<` only where a surrogate meets a code unit
 * from U+E000 on. Both strings must be well formed.
 */
export function compareUtf8(a: string, b: string): number {
  const shorter = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < shorter; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

/** Lifts surrogates above the rest of the basic plane. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
