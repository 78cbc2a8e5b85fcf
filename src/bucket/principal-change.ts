import type { Cas } from '../document/types.ts';
import type { Grant, PrincipalKey } from './bucket.ts';

/**
 * A new state of a user or role. Takes a sequence, and raises the access version of all whose
 * grants it touches.
 */
export interface PrincipalChange {
  readonly kind: 'principal';
  readonly database: string;
  readonly principal: PrincipalKey;
  readonly ifCas: Cas | 'absent';
  /** JSON text; null removes the record (its grants end as `grants` says). */
  readonly value: string | null;
  /** All grants that the administrator now makes to this principal; others of that source end. */
  readonly grants: readonly Grant[];
  /** What tokens give it; absent: as it was. */
  readonly claimed?: ClaimedGrants;
}

/** All grants that the claims of a token make to a user; those of earlier tokens end. */
export interface ClaimedGrants {
  /** Who issued the token: the source of the grants. Empty where there are none. */
  readonly issuer: string;
  readonly grants: readonly Grant[];
}
