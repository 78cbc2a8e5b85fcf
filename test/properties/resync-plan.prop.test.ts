import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { resyncWith } from '../helpers/resync.ts';
import { planWith } from '../helpers/resync-plan.ts';

// A plan tells the difference that the run then makes: by channel, by user, by role, for random
// documents, grants and functions.

const CHANNELS = ['c0', 'c1', 'c2', 'c3'] as const;
const ROLES = ['r0', 'r1'] as const;
const USERS = ['ann', 'bob', 'cat', 'dan'] as const;
/** A user of each role who has nothing else: what it gains the role gains. */
const SHADOWS = ROLES.map((role) => `only-${role}`);
const ALL_USERS = [...USERS, ...SHADOWS];

const STATEMENTS = [
  'if (doc.n % 5 == 1) throw({forbidden: "no"});',
  'if (doc.n % 7 == 3) doc.no.thing();',
  'channel(doc.a);',
  'channel(doc.b);',
  'channel("c" + doc.n % 4);',
  'if (doc.n % 4 == 0) channel("!");',
  'access(doc.to, doc.b);',
  'access("role:" + doc.r, doc.a);',
  'role(doc.to, "role:" + doc.r);',
  'if (doc.n % 6 == 0) access(doc.to, "*");',
] as const;

const channel = fc.constantFrom(...CHANNELS);
const role = fc.constantFrom(...ROLES);
const doc = fc.record({
  a: channel,
  b: channel,
  to: fc.constantFrom(...USERS),
  r: role,
  n: fc.nat({ max: 30 }),
});
const source = fc
  .subarray([...STATEMENTS], { minLength: 1 })
  .map((statements) => `function (doc) { ${statements.join(' ')} }`);
const granted = fc.record({
  admin_channels: fc.subarray([...CHANNELS, '*'], { maxLength: 2 }),
  admin_roles: fc.subarray([...ROLES]),
});

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

type Seen = ReadonlyMap<string, ReadonlySet<string>>;

/** A user without a password, which takes a while to hash; the cookie of a session of it. */
async function makeUser({ admin }: TestDatabase, name: string, access: object): Promise<string> {
  const made = await request('PUT', `${admin}/_user/${name}`, { json: access });
  assert.equal(made.status, 201, made.text);
  const { json } = await request('POST', `${admin}/_session`, { json: { name } });
  const { cookie_name: cookie, session_id: id } = json as Record<string, string>;
  return `${cookie}=${id}`;
}

/** What each user sees. */
async function seenBy(db: TestDatabase, cookies: ReadonlyMap<string, string>): Promise<Seen> {
  const seen = new Map<string, ReadonlySet<string>>();
  for (const [user, cookie] of cookies) {
    const answer = await request('GET', `${db.public}/_all_docs`, { headers: { cookie } });
    assert.equal(answer.status, 200, answer.text);
    const { rows } = answer.json as unknown as { rows: { id: string }[] };
    seen.set(user, new Set(rows.map(({ id }) => id)));
  }
  return seen;
}

/** What is in each channel. */
async function inChannels(db: TestDatabase): Promise<Seen> {
  const seen = new Map<string, ReadonlySet<string>>();
  const query = 'filter=sync_gateway/bychannel&active_only=true&channels=';
  for (const name of [...CHANNELS, '!']) {
    const url = `${db.admin}/_changes?${query}${encodeURIComponent(name)}`;
    const answer = await request('GET', url);
    assert.equal(answer.status, 200, answer.text);
    const { results } = answer.json as unknown as { results: { id: string; removed?: unknown }[] };
    const rows = results.filter(({ id, removed }) => !id.startsWith('_') && removed === undefined);
    seen.set(name, new Set(rows.map(({ id }) => id)));
  }
  return seen;
}

interface Told {
  readonly name: string;
  readonly more: number;
  readonly fewer: number;
  readonly moreIds: readonly { readonly id: string }[];
  readonly fewerIds: readonly { readonly id: string }[];
}

/** What is told is the difference, no more and no less; samples are of it. */
function assertTold(
  told: readonly Told[],
  { was, is, names }: { readonly was: Seen; readonly is: Seen; readonly names: readonly string[] },
): void {
  const by = new Map(told.map((each) => [each.name, each]));
  for (const name of names) {
    const more = is.get(name)!.difference(was.get(name)!);
    const fewer = was.get(name)!.difference(is.get(name)!);
    const each = by.get(name);
    const counts = [each?.more ?? 0, each?.fewer ?? 0];
    assert.deepEqual(counts, [more.size, fewer.size], `of ${name}`);
    for (const [ids, of] of [
      [each?.moreIds ?? [], more],
      [each?.fewerIds ?? [], fewer],
    ] as const) {
      assert.equal(new Set(ids.map(({ id }) => id)).size, Math.min(of.size, 5));
      for (const { id } of ids) assert.ok(of.has(id), `${id} of ${name}`);
    }
  }
}

let databases = 0;

test('a plan is the difference that the run then makes, user by user', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        docs: fc.array(doc, { minLength: 6, maxLength: 16 }),
        functions: fc.tuple(source, source),
        grants: fc.array(granted, { minLength: USERS.length, maxLength: USERS.length }),
        ofRole: fc.subarray([...CHANNELS], { maxLength: 2 }),
        deleted: fc.nat({ max: 3 }),
      }),
      async ({ docs, functions: [first, second], grants, ofRole, deleted }) => {
        const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
        const config = { sync: first, allow_empty_password: true };
        const db = await createDatabase({ urls }, `plan${++databases}`, config);
        const cookies = new Map<string, string>();
        // The second role is known by name only: it counts for nobody.
        const made = await request('PUT', `${db.admin}/_role/r0`, {
          json: { admin_channels: ofRole },
        });
        assert.equal(made.status, 201, made.text);
        for (const [at, name] of USERS.entries())
          cookies.set(name, await makeUser(db, name, grants[at]!));
        for (const role of ROLES)
          cookies.set(`only-${role}`, await makeUser(db, `only-${role}`, { admin_roles: [role] }));
        for (const [at, json] of docs.entries()) {
          const { json: answer } = await request('PUT', `${db.admin}/d${at}`, { json });
          const { rev } = answer as { rev?: string };
          if (at < deleted && rev !== undefined)
            await request('DELETE', `${db.admin}/d${at}?rev=${rev}`);
        }

        const plan = await planWith(db, { sync: second });
        const was = { users: await seenBy(db, cookies), channels: await inChannels(db) };
        const end = await resyncWith(db, second);
        assert.equal(end.status, 'completed', end.last_error);
        const is = { users: await seenBy(db, cookies), channels: await inChannels(db) };

        const { report } = plan;
        assert.deepEqual(
          [plan.docs_processed, plan.docs_changed, plan.docs_errored],
          [end.docs_processed, end.docs_changed, end.docs_errored],
        );
        const ofUsers = [...report.users, ...report.roles.map(asShadow)].map((each) => ({
          name: each.name,
          more: each.docs_gained,
          fewer: each.docs_lost,
          moreIds: each.gained,
          fewerIds: each.lost,
        }));
        assertTold(ofUsers, { was: was.users, is: is.users, names: ALL_USERS });
        const ofChannels = report.channels.map((each) => ({
          name: each.channel,
          more: each.docs_entering,
          fewer: each.docs_leaving,
          moreIds: each.entering,
          fewerIds: each.leaving,
        }));
        assertTold(ofChannels, {
          was: was.channels,
          is: is.channels,
          names: [...CHANNELS, '!'],
        });
        // Nothing is left to be changed.
        assert.equal((await planWith(db, {})).docs_changed, 0);
        await request('DELETE', `${db.admin}/`);
      },
    ),
    { numRuns: Number(process.env['PLAN_RUNS'] ?? 4) },
  );
});

function asShadow<T extends { readonly name: string }>(role: T): T {
  return { ...role, name: `only-${role.name}` };
}
