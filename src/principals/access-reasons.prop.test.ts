import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AccessSnapshot, CollectionId, Grant, PrincipalKey } from '../bucket/bucket.ts';
import { STILL, unionPeriods } from '../channels/grant-periods.ts';
import { sequence, ZERO } from '../document/types.ts';
import { channelReasons, missingRoles, roleReasons } from './access-reasons.ts';
import { effectiveAccess } from './effective-access.ts';

// The chains that explain access, taken together, say exactly what the access module computes.

const END = 20;
const COLLECTIONS = [1, 2] as CollectionId[];
const ROLES = ['r1', 'r2'];
const CHANNELS = ['a', 'b', '*'];

const grants = (principal: PrincipalKey, kinds: readonly Grant['kind'][]) =>
  fc.array(
    fc
      .record({
        kind: fc.constantFrom(...kinds),
        channel: fc.constantFrom(...CHANNELS),
        role: fc.constantFrom(...ROLES),
        collection: fc.constantFrom(...COLLECTIONS),
        source: fc.constantFrom('', 'issuer', 'd1', 'd2'),
        from: fc.integer({ min: 1, max: END }),
        length: fc.integer({ min: 0, max: END }),
      })
      .map(({ kind, channel, role, collection, source, from, length }) => ({
        principal,
        kind,
        collection: kind === 'channel' ? collection : (0 as CollectionId),
        target: kind === 'channel' ? channel : kind === 'role' ? role : '',
        source,
        sourceCollection: (/^(?:issuer)?$/.test(source) ? 0 : 1) as CollectionId,
        from: sequence(from),
        until: length === 0 ? ZERO : sequence(from + length),
      })),
    { maxLength: 8 },
  );

const principal = (key: PrincipalKey, kinds: readonly Grant['kind'][]) =>
  grants(key, kinds).map((all) => ({
    principal: key,
    record: undefined,
    accessVersion: ZERO,
    grants: all,
  }));

const snapshots = fc
  .tuple(
    principal('user:ann', ['channel', 'role']),
    ...ROLES.map((role) => principal(`role:${role}`, ['channel', 'exists'])),
  )
  .map((principals): AccessSnapshot => ({ principals, asOf: sequence(3 * END) }));

test('the reasons of each channel are its periods, now and in the past', () => {
  fc.assert(
    fc.property(snapshots, fc.integer({ min: 0, max: END }), (snapshot, start) => {
      const historyFrom = sequence(start);
      const access = effectiveAccess(snapshot, { historyFrom });
      for (const c of COLLECTIONS) {
        const reasons = channelReasons(snapshot, c, { historyFrom });
        const { current, ended } = access.channels(c);
        for (const channel of CHANNELS) {
          const union = unionPeriods(reasons.get(channel) ?? []);
          const last = union.at(-1);
          assert.equal(last?.until === STILL, current.has(channel));
          if (last?.until === STILL && last.from > historyFrom)
            assert.equal(last.from, current.get(channel));
          // NOTE: one that began before the history of this user may be told in part.
          assert.deepEqual(
            union.filter(({ until }) => until !== STILL).map(({ until }) => until),
            ended.filter((period) => period.channel === channel).map(({ until }) => until),
          );
        }
      }
    }),
    { verbose: 1, numRuns: 300 },
  );
});

test('without an earlier user, the periods are the very same', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const access = effectiveAccess(snapshot);
      for (const c of COLLECTIONS) {
        const reasons = channelReasons(snapshot, c);
        const { current, ended } = access.channels(c);
        for (const channel of CHANNELS) {
          const told = unionPeriods(reasons.get(channel) ?? []);
          const since = current.get(channel);
          const periods = ended
            .filter((period) => period.channel === channel)
            .map(({ from, until }) => ({ from, until }));
          const all = since === undefined ? periods : [...periods, { from: since, until: STILL }];
          assert.deepEqual(
            told.map(({ from, until }) => ({ from, until })),
            unionPeriods(all),
          );
        }
      }
    }),
    { verbose: 1, numRuns: 300 },
  );
});

test('roles have reasons as long as they are held, and those that do not exist are told', () => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      const { roles } = effectiveAccess(snapshot);
      const held = [...roleReasons(snapshot)].filter(([, some]) => some[0]?.until === STILL);
      assert.deepEqual(new Set(held.map(([name]) => name)), new Set(roles.keys()));
      const exist = snapshot.principals
        .filter(({ grants: all }) =>
          all.some(({ kind, until }) => kind === 'exists' && until === 0),
        )
        .map(({ principal: key }) => key.slice('role:'.length));
      assert.deepEqual(
        missingRoles(snapshot),
        [...roles.keys()].filter((name) => !exist.includes(name)).toSorted(),
      );
    }),
    { verbose: 1 },
  );
});
