import type { Grant, PrincipalKey } from '../../bucket/bucket.ts';
import { GatewayError } from '../../util/errors.ts';

/** Grants that are in memory at a time, about 100 bytes each. */
const GRANTS_MAX = 500_000;
/** Past that so many are kept, those of the first users. */
const GRANTS_KEPT = 400_000;

/**
 * What documents would grant, by who has it. Where that is more than fits in memory, it is complete
 * for the users whose names come first, and says so.
 */
export class PlannedGrants {
  readonly #max: number;
  readonly #kept: number;
  readonly #of = new Map<PrincipalKey, Set<string>>();
  #count = 0;
  /** Users from this one on are left out. */
  #cutFrom: PrincipalKey | undefined;

  constructor({ max = GRANTS_MAX, kept = GRANTS_KEPT } = {}) {
    this.#max = max;
    this.#kept = kept;
  }

  /** Throws `tooLarge` where grants to roles alone are too many. */
  add(grants: readonly Grant[]): void {
    for (const { principal, kind, collection, target } of grants) {
      if (!this.isComplete(principal)) continue;
      const text = kind === 'role' ? roleText(target) : channelText(collection, target);
      const known = this.#of.get(principal);
      if (known?.has(text) === true) continue;
      if (known === undefined) this.#of.set(principal, new Set([text]));
      else known.add(text);
      if (++this.#count > this.#max) this.#cut();
    }
  }

  /** What is granted to it, as `channelText` and `roleText`. */
  of(principal: PrincipalKey): ReadonlySet<string> {
    return this.#of.get(principal) ?? NONE;
  }

  /** Whether some users are left out. */
  get isCut(): boolean {
    return this.#cutFrom !== undefined;
  }

  isComplete(principal: PrincipalKey): boolean {
    return this.#cutFrom === undefined || isRole(principal) || principal < this.#cutFrom;
  }

  #cut(): void {
    const users = [...this.#of.keys()].filter((key) => !isRole(key)).toSorted();
    while (this.#count > this.#kept) {
      const last = users.pop();
      if (last === undefined)
        throw new GatewayError(
          'tooLarge',
          `documents would make more than ${this.#kept} grants to roles`,
        );
      this.#count -= this.of(last).size;
      this.#of.delete(last);
      this.#cutFrom = last;
    }
  }
}

/** A channel of a collection, as a text. */
export function channelText(collection: number, channel: string): string {
  return `${collection}:${channel}`;
}

const ROLE = 'role:';

/** Membership in a role, as a text that is no channel's. */
export function roleText(role: string): string {
  return ROLE + role;
}

/** The role that such a text names; undefined for a channel's. */
export function roleIn(text: string): string | undefined {
  return text.startsWith(ROLE) ? text.slice(ROLE.length) : undefined;
}

function isRole(principal: PrincipalKey): boolean {
  return principal.startsWith(ROLE);
}

const NONE: ReadonlySet<string> = new Set();
