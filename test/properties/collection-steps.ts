import fc from 'fast-check';
import { COLLECTIONS, type ByCollection, type CollectionName } from './collections-model.ts';
import { feedKind, type FeedKind } from './feed-client.ts';
import { LIVE_KINDS, type Following } from './live-follower.ts';

/** What happens to a database with collections: random steps, and who follows them. */

export const USERS = ['ann', 'bob', 'cat'];
const ROLES = ['crew', 'desk'];
const ROUTES = ['a', 'b', 'c', '!'];
const HELD = ['a', 'b', 'c', '*'];
const IDS = ['d0', 'd1', 'd2', 'd3', 'd4'];

interface Place {
  readonly collection: CollectionName;
  readonly id: string;
}

/** A new revision by an administrator. */
interface Draft extends Place {
  readonly channels: readonly string[];
  readonly grant?: { readonly to: string; readonly channels: readonly string[] } | undefined;
  readonly hire?: { readonly user: string; readonly role: string } | undefined;
}

export type Step =
  | (Draft & { readonly do: 'write' })
  /** At once, each of another document. */
  | { readonly do: 'burst'; readonly drafts: readonly Draft[] }
  /** In one request, with one that is refused between them. */
  | {
      readonly do: 'bulk';
      readonly collection: CollectionName;
      readonly drafts: readonly Draft[];
    }
  | (Place & { readonly do: 'remove' })
  /** A tombstone that says in which channels it stays. */
  | (Place & { readonly do: 'bury'; readonly channels: readonly string[] })
  | (Place & { readonly do: 'purge' })
  | (Place & { readonly do: 'refused' })
  | (Place & { readonly do: 'stale' })
  | (Place & {
      readonly do: 'user writes';
      readonly user: string;
      readonly author: string;
      readonly channels: readonly string[];
    })
  | {
      readonly do: 'set user';
      readonly user: string;
      readonly channels: ByCollection;
      readonly roles: readonly string[];
    }
  | { readonly do: 'switch user'; readonly user: string }
  | { readonly do: 'remove user'; readonly user: string }
  | { readonly do: 'set role'; readonly role: string; readonly channels: ByCollection }
  | { readonly do: 'remove role'; readonly role: string }
  | (Place & { readonly do: 'read'; readonly user: string; readonly which: number })
  | { readonly do: 'list'; readonly user: string; readonly collection: CollectionName }
  /** The user's own client goes on, or goes back first to one of the places where it was. */
  | {
      readonly do: 'follow';
      readonly user: string;
      readonly collection: CollectionName;
      readonly limit: number;
      readonly feed: FeedKind;
      readonly back: number;
    }
  /** Somebody else reads, with other parameters, from where that client once was. */
  | {
      readonly do: 'peek';
      readonly user: string;
      readonly collection: CollectionName;
      readonly limit: number;
      readonly back: number;
      readonly parameters: Readonly<Record<string, string | boolean>>;
    }
  | { readonly do: 'settle' }
  /** The gateway dies while this is being written. */
  | (Draft & { readonly do: 'kill'; readonly afterMs: number });

const collection = fc.constantFrom(...COLLECTIONS);
const id = fc.constantFrom(...IDS);
const place = { collection, id };
const user = fc.constantFrom(...USERS);
const role = fc.constantFrom(...ROLES);
const routes = fc.subarray(ROUTES, { maxLength: 2 });
const held = fc.subarray(HELD, { maxLength: 2 });
const byCollection = fc.record({ one: held, two: held, three: held });
const limit = fc.constantFrom(1, 2, 3, 20);
/** How far back, in rows; mostly not at all. */
const back = fc.oneof(
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.nat(40) },
);

const draft = fc.record({
  ...place,
  channels: routes,
  grant: fc.option(
    fc.record({
      to: fc.oneof(
        user,
        role.map((name) => `role:${name}`),
      ),
      channels: held,
    }),
    { freq: 2, nil: undefined },
  ),
  hire: fc.option(fc.record({ user, role }), { freq: 5, nil: undefined }),
});

const drafts = fc.uniqueArray(draft, {
  minLength: 2,
  maxLength: 3,
  selector: (one) => `${one.collection} ${one.id}`,
});

const plain = fc.constantFrom<Following['parameters']>({});
const limited = fc.constantFrom<Following['parameters']>(
  { active_only: true },
  { revocations: false },
  { filter: 'sync_gateway/bychannel', channels: 'a,!' },
);

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const of = <D extends Step['do'], M extends object>(
  name: D,
  more: { readonly [K in keyof M]: fc.Arbitrary<M[K]> },
): fc.Arbitrary<{ readonly do: D } & M> =>
  fc.tuple(fc.constant({ do: name }), fc.record<M>(more)).map(([what, rest]) => ({
    ...what,
    ...rest,
  }));

const STEPS = [
  weighted(
    8,
    draft.map((one) => ({ do: 'write' as const, ...one })),
  ),
  weighted(4, of('burst', { drafts })),
  weighted(2, of('bulk', { collection, drafts })),
  weighted(3, of('remove', place)),
  weighted(2, of('bury', { ...place, channels: routes })),
  weighted(1, of('purge', place)),
  weighted(1, of('refused', place)),
  weighted(1, of('stale', place)),
  weighted(4, of('user writes', { ...place, user, author: user, channels: routes })),
  weighted(4, of('set user', { user, channels: byCollection, roles: fc.subarray(ROLES) })),
  weighted(1, of('switch user', { user })),
  weighted(1, of('remove user', { user })),
  weighted(2, of('set role', { role, channels: byCollection })),
  weighted(1, of('remove role', { role })),
  weighted(3, of('read', { ...place, user, which: fc.nat(5) })),
  weighted(1, of('list', { user, collection })),
  weighted(6, of('follow', { user, collection, limit, feed: feedKind, back })),
  weighted(
    3,
    of('peek', {
      user,
      collection,
      limit,
      back,
      parameters: fc.oneof(limited, fc.constant({ include_docs: false })),
    }),
  ),
  weighted(3, of('settle', {})),
] as const;

/** Steps without, and with, kills. */
export function stepsOf(options: { readonly kills: number }): fc.Arbitrary<readonly Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(...STEPS);
  const some = fc.array(step, { minLength: 40, maxLength: 70 });
  const kill = fc
    .record({ draft, afterMs: fc.nat(4) })
    .map(({ draft: one, afterMs }): Step => ({ do: 'kill', ...one, afterMs }));
  const kills = fc.array(fc.tuple(kill, fc.nat(70)), {
    minLength: options.kills,
    maxLength: options.kills,
  });
  return fc.tuple(some, kills).map(([steps, killed]) => {
    const all = [...steps];
    for (const [one, at] of killed) all.splice(at, 0, one);
    return all;
  });
}

export interface Follower {
  readonly user: string;
  readonly collection: CollectionName;
  readonly following: Following;
}

/** Clients that stay, each of a kind of its own. */
export const followers: fc.Arbitrary<readonly Follower[]> = fc.tuple(
  ...LIVE_KINDS.flatMap((kind) =>
    [plain, fc.oneof(plain, limited)].map((parameters) =>
      fc.record({
        user,
        collection,
        following: fc.record({
          kind: fc.constant(kind),
          limit: fc.constantFrom(0, 0, 1, 3),
          parameters,
        }),
      }),
    ),
  ),
);
