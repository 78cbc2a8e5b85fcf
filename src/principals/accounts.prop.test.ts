import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CollectionId } from '../bucket/bucket.ts';
import type { UserAccess } from './access.ts';
import { accessPrecondition } from './access.ts';
import { Accounts } from './accounts.ts';
import { effectiveAccess } from './effective-access.ts';
import { openTestPrincipals } from './test-principals.ts';

const USERS = ['ann', 'bob'];
const ROLES = ['r1', 'r2'];
const CHANNELS = ['a', 'b', 'c'];
const password = 'letmein';

const some = (names: readonly string[]) => fc.subarray([...names]);
const step = fc.oneof(
  fc.record({
    do: fc.constant('user'),
    who: fc.constantFrom(...USERS),
    ch: some(CHANNELS),
    roles: some(ROLES),
  }),
  fc.record({ do: fc.constant('role'), who: fc.constantFrom(...ROLES), ch: some(CHANNELS) }),
  fc.record({ do: fc.constant('drop role'), who: fc.constantFrom(...ROLES), purge: fc.boolean() }),
  fc.record({ do: fc.constant('drop user'), who: fc.constantFrom(...USERS) }),
  fc.record({
    do: fc.constant('document'),
    key: fc.constantFrom('d1', 'd2'),
    who: fc.constantFrom(...USERS, 'role:r1'),
    ch: some(CHANNELS),
    roles: some(ROLES),
  }),
  fc.record({
    do: fc.constant('token'),
    who: fc.constantFrom(...USERS),
    ch: some(CHANNELS),
    roles: some(ROLES),
    issuedSecs: fc.constantFrom(undefined, 1, 2, 3),
    register: fc.boolean(),
  }),
  fc.record({ do: fc.constant('look'), who: fc.constantFrom(...USERS) }),
) as fc.Arbitrary<Step>;

interface Step {
  readonly do: string;
  readonly who: string;
  readonly key?: string;
  readonly ch?: readonly string[];
  readonly roles?: readonly string[];
  readonly purge?: boolean;
  readonly issuedSecs?: number;
  readonly register?: boolean;
}

const spoken = (access: UserAccess | undefined, collection: CollectionId) =>
  access && {
    ...access,
    // NOTE: how far it was checked differs, what it says must not.
    asOf: undefined,
    roles: new Map(access.roles),
    channels: new Map(access.channels(collection).current),
    ended: access.channels(collection).ended,
  };

test('what is cached is always what the bucket has, whoever changed it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using t = await openTestPrincipals();
      const home = t.collections[0]!;
      const writer = t.another();
      const accounts = new Accounts(t.bucket, 'db', { weightMax: 40 });
      const act: Record<string, (s: Step) => Promise<unknown>> = {
        user: (s) =>
          writer.putUser(s.who, { password, admin_channels: s.ch, admin_roles: s.roles }),
        role: (s) => writer.putRole(s.who, { admin_channels: s.ch }),
        'drop role': (s) => writer.deleteRole(s.who, { purge: s.purge === true }).catch(() => 0),
        'drop user': (s) => writer.deleteUser(s.who).catch(() => 0),
        document: (s) =>
          t.grant(s.key!, [
            ...s.ch!.map((channel) => ({ to: s.who, channel })),
            ...(s.who.includes(':') ? [] : s.roles!.map((role) => ({ to: s.who, role }))),
          ]),
        token: async (s) => {
          const claims = {
            issuer: 'i',
            roles: s.roles!,
            channels: s.ch!,
            issuedSecs: s.issuedSecs,
          };
          const how = { register: s.register === true, nowMs: t.clock.now() };
          const told = { name: s.who, email: undefined, claims };
          const reader = await writer.tokenReader(told, how);
          // What it is let in with is what it has from then on.
          const access = reader?.kind === 'user' ? reader.access : undefined;
          assert.deepEqual(spoken(access, home), spoken((await accounts.get(s.who))?.access, home));
        },
        look: (s) => accounts.get(s.who),
      };
      for (const s of steps) {
        await act[s.do]!(s);
        if (s.do === 'look') continue;
        for (const who of USERS) {
          const account = await accounts.get(who);
          const snapshot = await t.bucket.readAccess('db', `user:${who}`);
          const historyFrom = account?.record.historyFrom;
          const fresh = effectiveAccess(snapshot, historyFrom === undefined ? {} : { historyFrom });
          const exists = snapshot.principals[0]?.record !== undefined;
          assert.deepEqual(spoken(account?.access, home), exists ? spoken(fresh, home) : undefined);
          if (account === undefined) continue;
          const { principals, asOf } = accessPrecondition('db', account.access);
          assert.ok((await t.bucket.lastAccessChange('db', principals)) <= asOf);
        }
      }
    }),
    { verbose: 1, numRuns: 25 },
  );
});
