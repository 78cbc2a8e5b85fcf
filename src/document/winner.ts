import { compareRevIds } from './rev-id.ts';
import type { RevId } from './types.ts';

interface Leaf {
  readonly rev: RevId;
  readonly deleted: boolean;
}

/**
 * Which leaf wins: the living before the deleted, then the longer branch, then the higher digest.
 * It depends on the leaves alone, so that every gateway and client picks the same one. Sorts the
 * winner first.
 */
export function compareLeaves(a: Leaf, b: Leaf): number {
  if (a.deleted !== b.deleted) return a.deleted ? 1 : -1;
  return compareRevIds(b.rev, a.rev);
}
