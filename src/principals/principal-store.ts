import { BATCH_MAX } from '../bucket/bucket.ts';
import type { AccessSnapshot, Bucket, Grant, PrincipalKey, StoredGrant } from '../bucket/bucket.ts';
import type { ClaimedGrants } from '../bucket/principal-change.ts';
import type { Sequence } from '../document/types.ts';
import { must } from '../util/assert.ts';
import { GatewayError } from '../util/errors.ts';
import type { ListedPrincipal } from '../bucket/scan.ts';

/** What the bucket has of a principal now. */
export interface PrincipalState {
  /** Text of its record; undefined where it has none. */
  readonly value: string | undefined;
  /** What the administrator gives it. */
  readonly given: readonly Grant[];
  /** What tokens give it. */
  readonly claimed: readonly StoredGrant[];
  /** The end of the history when this was read. */
  readonly asOf: Sequence;
}

export interface NextState {
  /** null removes the record. */
  readonly value: string | null;
  /** All that the administrator gives it from now on. */
  readonly grants: readonly Grant[];
  /** All that tokens give it from now on; absent: what they did. */
  readonly claimed?: ClaimedGrants;
}

/** How often a change is made anew because another one came between. */
const ATTEMPTS_MAX = 20;

/** Reads and changes the records of one database's users and roles. */
export class PrincipalStore {
  readonly #bucket: Bucket;
  readonly #database: string;

  constructor(bucket: Bucket, database: string) {
    this.#bucket = bucket;
    this.#database = database;
  }

  read(key: PrincipalKey): Promise<AccessSnapshot> {
    return this.#bucket.readAccess(this.#database, key);
  }

  /**
   * Brings a principal into the state that `next` makes of the present one; where another change
   * comes between, `next` is asked again. What changes nothing is not written. Gives the state
   * before. Throws what `next` throws, and `unavailable` where others change it without pause.
   */
  async change(
    principal: PrincipalKey,
    next: (now: PrincipalState) => NextState,
  ): Promise<PrincipalState> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const snapshot = await this.read(principal);
      const stored = must(snapshot.principals[0], 'a snapshot begins with the principal asked for');
      const held = stored.grants.filter((g) => g.until === 0 && g.sourceCollection === 0);
      const given = held.filter(({ source }) => source === '');
      const claimed = held.filter(({ source }) => source !== '');
      const now = { value: stored.record?.value, given, claimed, asOf: snapshot.asOf };
      const then = next(now);
      const { value, grants } = then;
      const isSame = isSameSet(given, grants) && isSameClaimed(claimed, then.claimed);
      if (value === (now.value ?? null) && isSame) return now;
      const [result] = await this.#bucket.commit([
        {
          kind: 'principal',
          database: this.#database,
          principal,
          ifCas: stored.record?.cas ?? 'absent',
          ...then,
        },
      ]);
      if (must(result, 'one result for one change').ok) return now;
    }
    throw new GatewayError('unavailable', 'it is being changed by others all the time, try again');
  }

  /** All that have a record, in the order of their names. */
  async *list(kind: 'user' | 'role'): AsyncGenerator<ListedPrincipal> {
    const range = { database: this.#database, kind, limit: BATCH_MAX };
    let page = await this.#bucket.listPrincipals(range);
    for (;;) {
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < BATCH_MAX) return;
      page = await this.#bucket.listPrincipals({ ...range, after: last.principal });
    }
  }
}

function isSameClaimed(claimed: readonly StoredGrant[], next: ClaimedGrants | undefined): boolean {
  if (next === undefined) return true;
  return claimed.every(({ source }) => source === next.issuer) && isSameSet(claimed, next.grants);
}

function isSameSet(some: readonly Grant[], others: readonly Grant[]): boolean {
  const identity = (g: Grant) => JSON.stringify([g.kind, g.collection, g.target]);
  const left = new Set(some.map(identity));
  const right = new Set(others.map(identity));
  return left.size === right.size && left.isSubsetOf(right);
}
