import { BATCH_MAX } from '../bucket/bucket.ts';
import type { AccessSnapshot, Bucket, Grant, PrincipalKey } from '../bucket/bucket.ts';
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
  /** The end of the history when this was read. */
  readonly asOf: Sequence;
}

export interface NextState {
  /** null removes the record. */
  readonly value: string | null;
  /** All that the administrator gives it from now on. */
  readonly grants: readonly Grant[];
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
      const given = stored.grants.filter((g) => g.until === 0 && g.source === '');
      const now = { value: stored.record?.value, given, asOf: snapshot.asOf };
      const { value, grants } = next(now);
      if (value === (now.value ?? null) && isSameSet(given, grants)) return now;
      const [result] = await this.#bucket.commit([
        {
          kind: 'principal',
          database: this.#database,
          principal,
          ifCas: stored.record?.cas ?? 'absent',
          value,
          grants,
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

function isSameSet(some: readonly Grant[], others: readonly Grant[]): boolean {
  const identity = (g: Grant) => JSON.stringify([g.kind, g.collection, g.target]);
  const left = new Set(some.map(identity));
  const right = new Set(others.map(identity));
  return left.size === right.size && left.isSubsetOf(right);
}
