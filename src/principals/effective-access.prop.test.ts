import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type {
  AccessSnapshot,
  CollectionId,
  Grant,
  PrincipalKey,
  StoredGrant,
} from '../bucket/bucket.ts';
import { mergedHistory } from '../channels/merged-history.ts';
import { sequence, ZERO } from '../document/types.ts';
import { effectiveAccess, ownChannels } from './effective-access.ts';

/**
 * The model asks at every single sequence whether the user holds a channel, straight from the
 * grants; the periods of `effectiveAccess` must say the same everywhere.
 */
const END = 20;
const USER: PrincipalKey = 'user:ann';
const ROLES = ['r1', 'r2'];
const CHANNELS = ['a', 'b', '!'];
const COLLECTIONS = [1, 2] as CollectionId[];

const span = fc
  .tuple(fc.integer({ min: 1, max: END }), fc.integer({ min: 0, max: END }))
  .map(([from, length]) => ({
    from: sequence(from),
    until: length === 0 ? ZERO : sequence(from + length),
  }));

const grantOf = (principal: PrincipalKey, kinds: readonly Grant['kind'][]) =>
  fc
    .record({
      kind: fc.constantFrom(...kinds),
      channel: fc.constantFrom(...CHANNELS),
      role: fc.constantFrom(...ROLES),
      collection: fc.constantFrom(...COLLECTIONS),
      span,
    })
    .map((g): StoredGrant => ({
      principal,
      kind: g.kind,
      collection: g.kind === 'channel' ? g.collection : (0 as CollectionId),
      target: g.kind === 'channel' ? g.channel : g.kind === 'role' ? g.role : '',
      source: '',
      sourceCollection: 0 as CollectionId,
      ...g.span,
    }));

const principal = (key: PrincipalKey, kinds: readonly Grant['kind'][]) =>
  fc.array(grantOf(key, kinds), { maxLength: 8 }).map((grants) => ({
    principal: key,
    record: undefined,
    accessVersion: sequence(Math.max(0, ...grants.flatMap((g) => [g.from, g.until]))),
    grants,
  }));

const snapshots = fc
  .tuple(
    principal(USER, ['channel', 'role']),
    ...ROLES.map((role) => principal(`role:${role}`, ['channel', 'exists'])),
  )
  .map((principals): AccessSnapshot => ({ principals, asOf: sequence(3 * END) }));

const holds = (g: StoredGrant, at: number) => g.from <= at && (g.until === 0 || at < g.until);

interface Question {
  readonly c: CollectionId;
  readonly channel: string;
  readonly at: number;
}

function modelHolds(snapshot: AccessSnapshot, { c, channel, at }: Question): boolean {
  const [user, ...roles] = snapshot.principals;
  const gives = (grants: readonly StoredGrant[] = []) =>
    grants.some(
      (g) => g.kind === 'channel' && g.collection === c && g.target === channel && holds(g, at),
    );
  const has = (role: PrincipalKey) =>
    user?.grants.some((g) => g.kind === 'role' && `role:${g.target}` === role && holds(g, at));
  const counts = (role: { principal: PrincipalKey; grants: readonly StoredGrant[] }) =>
    has(role.principal) && role.grants.some((g) => g.kind === 'exists' && holds(g, at));
  if (channel === '!') return at >= 1;
  return gives(user?.grants) || roles.some((role) => counts(role) && gives(role.grants));
}

test('effectiveAccess says at every sequence what the grants say', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const access = effectiveAccess(snapshot);
      for (const c of COLLECTIONS) {
        const { current, ended } = access.channels(c);
        for (const channel of CHANNELS) {
          const since = current.get(channel) ?? Infinity;
          for (let at = 1; at <= 2 * END + 1; at += 1) {
            const past = ended.some((p) => p.channel === channel && p.from <= at && at < p.until);
            assert.ok(!(past && at >= since), 'ended and current do not overlap');
            assert.equal(past || at >= since, modelHolds(snapshot, { c, channel, at }), channel);
          }
          // NOTE: unbroken: just before `since` it was not held.
          if (since > 1 && since < Infinity) {
            assert.equal(modelHolds(snapshot, { c, channel, at: since - 1 }), false);
          }
        }
      }
    }),
    { verbose: 1, numRuns: 300 },
  );
});

test('ended periods come by their end, and none from before historyFrom', () => {
  fc.assert(
    fc.property(snapshots, fc.integer({ min: 0, max: END }), (snapshot, from) => {
      for (const c of COLLECTIONS) {
        const all = effectiveAccess(snapshot).channels(c).ended;
        const { ended } = effectiveAccess(snapshot, { historyFrom: sequence(from) }).channels(c);
        assert.deepEqual(
          ended,
          all.filter((p) => p.until > from),
        );
        all.forEach((p, i) => assert.ok(p.until >= (all[i - 1]?.until ?? 0)));
      }
    }),
    { verbose: 1 },
  );
});

test('roles are those held now, the version is the highest of it and them, own channels leave roles out', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const access = effectiveAccess(snapshot);
      const user = snapshot.principals[0]!;
      const now = user.grants.filter((g) => g.until === 0);
      const roles = now.filter((g) => g.kind === 'role').map((g) => g.target);
      assert.deepEqual(new Set(access.roles.keys()), new Set(roles));
      const counting = snapshot.principals.filter(
        (p) => p === user || roles.includes(p.principal.slice('role:'.length)),
      );
      const versions = counting.map((p) => p.accessVersion);
      assert.equal(access.version, Math.max(...versions));
      for (const c of COLLECTIONS) {
        const own = now.filter((g) => g.kind === 'channel' && g.collection === c);
        const expected = new Set([...own.map((g) => g.target), '!']);
        assert.deepEqual(new Set(ownChannels(user, c).keys()), expected);
      }
    }),
    { verbose: 1 },
  );
});

/** As a compaction leaves the grants: see `GrantHistoryChange`. */
function compacted(snapshot: AccessSnapshot, upTo: number): AccessSnapshot {
  const principals = snapshot.principals.map((each) => {
    const grants = new Map(each.grants.entries());
    const identity = ({ kind, collection, target }: StoredGrant): string =>
      JSON.stringify([kind, collection, target]);
    for (const what of new Set(each.grants.map(identity))) {
      const some = [...grants].filter(([, grant]) => identity(grant) === what);
      const history = some.map(([id, { from, until, merged = false }]) => ({
        id,
        from,
        until,
        merged,
      }));
      const into = mergedHistory(history, sequence(upTo));
      if (into === undefined) continue;
      for (const id of into.removed) grants.delete(id);
      const { merged: _, ...kept } = grants.get(into.id)!;
      grants.set(into.id, { ...kept, from: into.from, ...(into.merged && { merged: true }) });
    }
    return { ...each, grants: [...grants.values()] };
  });
  return { ...snapshot, principals };
}

test('a shorter history forgets nothing that was held, and what is held begins no earlier', () => {
  fc.assert(
    fc.property(snapshots, fc.integer({ min: 0, max: 3 * END }), (snapshot, upTo) => {
      const before = effectiveAccess(snapshot);
      const after = effectiveAccess(compacted(compacted(snapshot, upTo / 2), upTo));
      assert.deepEqual(new Set(after.roles.keys()), new Set(before.roles.keys()));
      for (const c of COLLECTIONS) {
        const [was, is] = [before.channels(c), after.channels(c)];
        assert.deepEqual(new Set(is.current.keys()), new Set(was.current.keys()));
        for (const [channel, from] of was.current) assert.ok(is.current.get(channel)! >= from);
        for (const channel of CHANNELS) {
          const since = is.current.get(channel) ?? Infinity;
          const covered = (at: number): boolean =>
            at >= since ||
            is.ended.some((p) => p.channel === channel && p.from <= at && at < p.until);
          for (const p of is.ended)
            if (p.channel === channel) assert.ok(p.from < p.until && p.until <= since);
          for (let at = 1; at <= 2 * END + 1; at += 1)
            if (modelHolds(snapshot, { c, channel, at }))
              assert.ok(covered(at), `${channel} ${at}`);
        }
      }
    }),
    { verbose: 1, numRuns: 1000 },
  );
});
