import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase, PASSWORD } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';

// What `_explain` says is what a read answers: random users, roles, documents and grants, that
// come, end and come again. And whoever sees a document is told a chain of grants that still holds.

const USERS = ['ann', 'bob', 'GUEST'] as const;
const ROLES = ['crew', 'desk'];
const CHANNELS = ['a', 'b', 'c', '*', '!'];
const IDS = ['d0', 'd1', 'd2', 'd3'];
const SYNC = `function (doc) {
  channel(doc.channels);
  (doc.gives || []).forEach(function (each) { access(each.to, each.channel); });
  (doc.hires || []).forEach(function (each) { role(each.to, 'role:' + each.role); });
}`;

const channels = fc.subarray(CHANNELS, { maxLength: 2 });
const user = fc.constantFrom(...USERS);
const role = fc.constantFrom(...ROLES);
const named = fc.constantFrom('ann', 'bob');

type Step =
  | { readonly do: 'write'; readonly id: string; readonly json: object }
  | { readonly do: 'remove'; readonly id: string }
  | { readonly do: 'user'; readonly user: string; readonly json: object }
  | { readonly do: 'role'; readonly role: string; readonly channels: readonly string[] }
  | { readonly do: 'remove role'; readonly role: string };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      id: fc.constantFrom(...IDS),
      json: fc.record({
        channels: fc.subarray(['a', 'b', 'c', '!'], { maxLength: 2 }),
        gives: fc.array(
          fc.record({
            to: fc.oneof(
              named,
              role.map((name) => `role:${name}`),
            ),
            channel: fc.constantFrom(...CHANNELS),
          }),
          { maxLength: 2 },
        ),
        hires: fc.array(fc.record({ to: named, role }), { maxLength: 1 }),
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('remove' as const), id: fc.constantFrom(...IDS) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('user' as const),
      user,
      json: fc.record({
        admin_channels: channels,
        admin_roles: fc.subarray(ROLES),
        disabled: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('role' as const), role, channels }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove role' as const), role }) },
);

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

async function take({ admin }: TestDatabase, taken: Step): Promise<void> {
  if (taken.do === 'write') {
    const found = await request('GET', `${admin}/${taken.id}`);
    const { _rev: rev } = (found.json ?? {}) as { _rev?: string };
    const query = rev === undefined ? '' : `?rev=${rev}`;
    const put = await request('PUT', `${admin}/${taken.id}${query}`, { json: taken.json });
    assert.equal(put.status, 201, put.text);
  } else if (taken.do === 'remove') {
    const found = await request('GET', `${admin}/${taken.id}`);
    if (found.status !== 200) return;
    const { _rev: rev } = found.json as { _rev: string };
    assert.equal((await request('DELETE', `${admin}/${taken.id}?rev=${rev}`)).status, 200);
  } else if (taken.do === 'user') {
    const put = await request('PUT', `${admin}/_user/${taken.user}`, { json: taken.json });
    assert.equal(put.status, 200, put.text);
  } else if (taken.do === 'role') {
    const json = { admin_channels: taken.channels };
    const put = await request('PUT', `${admin}/_role/${taken.role}`, { json });
    assert.ok(put.status < 300, put.text);
  } else await request('DELETE', `${admin}/_role/${taken.role}`);
}

interface Told {
  readonly visible: boolean;
  readonly disabled: boolean;
  readonly summary: string;
  readonly document: { readonly deleted: boolean };
  readonly channels: readonly {
    readonly channel: string;
    readonly held: boolean;
    readonly reasons?: readonly { readonly until?: number }[];
  }[];
}

/** The status that a read by the user must have, by what was explained. */
function statusTold({ visible, disabled, document }: Told): number {
  if (disabled) return 401;
  if (!visible) return 403;
  return document.deleted ? 404 : 200;
}

async function compare(db: TestDatabase): Promise<void> {
  for (const name of USERS) {
    const as = name === 'GUEST' ? {} : { as: `${name}:${PASSWORD}` };
    for (const id of IDS) {
      const read = await request('GET', `${db.public}/${id}`, as);
      const explained = await request('GET', `${db.admin}/_explain?user=${name}&doc=${id}`);
      if (explained.status === 404) {
        assert.ok(read.status === 404 || read.status === 401, read.text);
        continue;
      }
      assert.equal(explained.status, 200, explained.text);
      const told = explained.json as unknown as Told;
      assert.equal(statusTold(told), read.status, `${name} ${id}: ${told.summary}`);
      const chains = told.channels.filter(({ held }) => held);
      if (told.visible) assert.ok(chains.length > 0, told.summary);
      for (const { reasons = [] } of chains) {
        assert.ok(reasons.length > 0, told.summary);
        for (const { until } of reasons) assert.equal(until, undefined);
      }
    }
  }
}

test('what is explained is what a read answers', async () => {
  let databases = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      databases += 1;
      const name = `explain${databases}`;
      const db = await createDatabase({ urls: gateway }, name, { bucket: name, sync: SYNC });
      for (const each of ['ann', 'bob']) {
        const json = { password: PASSWORD };
        assert.equal((await request('PUT', `${db.admin}/_user/${each}`, { json })).status, 201);
      }
      await request('PUT', `${db.admin}/_user/GUEST`, { json: { disabled: false } });
      for (const [at, each] of steps.entries()) {
        await take(db, each);
        if (at % 6 === 5) await compare(db);
      }
      await compare(db);
      await request('DELETE', `${db.admin}/`);
    }),
    { verbose: 1, numRuns: Number(process.env['EXPLAIN_RUNS'] ?? 7) },
  );
});
