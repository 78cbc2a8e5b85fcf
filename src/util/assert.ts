/**
 * For bugs, never for input: a value that the code around it guarantees. Throws where it is absent.
 */
export function must<T>(value: T | null | undefined, why: string): T {
  if (value === null || value === undefined) throw new Error(`bug: ${why}`);
  return value;
}

/** The branch that the types rule out. */
export function unreachable(value: never): never {
  throw new Error(`bug: unhandled ${String(value)}`);
}
