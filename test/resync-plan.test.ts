import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import { changeFunction } from './helpers/resync.ts';
import { planEnd, planStatus, planWith, startPlan } from './helpers/resync-plan.ts';

// What a resync would change, found out before.

const BY_CHANNELS = 'function (doc) { channel(doc.channels); }';

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let count = 0;
async function database(config: Readonly<Record<string, unknown>>): Promise<TestDatabase> {
  const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
  return createDatabase({ urls }, `plan${++count}`, config);
}

async function putMany(keyspace: string, length: number, doc: (n: number) => object) {
  const docs = Array.from({ length }, (_, n) => doc(n));
  const answer = await request('POST', `${keyspace}/_bulk_docs`, { json: { docs } });
  assert.equal(answer.status, 201, answer.text);
}

async function lastSequence({ admin }: TestDatabase): Promise<number> {
  return ((await request('GET', `${admin}/`)).json as { update_seq: number }).update_seq;
}

test('a plan tells what would move, refuses and breaks, and changes nothing', async () => {
  const db = await database({ sync: BY_CHANNELS });
  await putUser(db, 'ann', { admin_channels: ['a'] });
  await putUser(db, 'bob', { admin_channels: ['b'] });
  await putMany(db.admin, 40, (n) => ({ _id: `d${n}`, channels: 'a', n }));
  const before = await lastSequence(db);
  const sync = `function (doc) {
    if (doc.n == 1) throw({forbidden: "not this one"});
    if (doc.n == 2) doc.no.thing();
    channel(doc.n < 10 ? "b" : "a");
    access("ann", doc.n == 20 ? "b" : []);
  }`;
  const plan = await planWith(db, { sync });
  assert.partialDeepStrictEqual(plan, {
    last_error: '',
    docs_targeted: 40,
    docs_processed: 40,
    docs_changed: 10,
    docs_errored: 1,
  });
  assert.deepEqual(
    plan.errors.map(({ id }) => id),
    ['d2'],
  );
  assert.match(plan.errors[0]?.message ?? '', /line 3.*TypeError/);
  const { report } = plan;
  assert.deepEqual(report.refused, [
    { collection: '_default._default', id: 'd1', reason: 'not this one' },
  ]);
  assert.equal(report.docs_refused, 1);
  assert.deepEqual(report.left_out, []);
  assert.ok(report.estimated_seconds >= 1);
  assert.deepEqual(
    report.channels.map((each) => [each.channel, each.docs_entering, each.docs_leaving]),
    [
      ['a', 0, 9],
      ['b', 8, 0],
    ],
  );
  assert.deepEqual(
    report.users.map((each) => [each.name, each.docs_gained, each.docs_lost]),
    // Ann loses the one that is refused: the others she sees by the new grant.
    [
      ['bob', 8, 0],
      ['ann', 0, 1],
    ],
  );
  assert.deepEqual(report.users[1]?.lost, [{ collection: '_default._default', id: 'd1' }]);
  assert.equal(await lastSequence(db), before, 'nothing was written');
  const { json } = await request('GET', `${db.admin}/_config`);
  assert.equal((json as { sync: string }).sync, BY_CHANNELS);
});

test('a plan that begins as soon as another has ended is one of its own function', async () => {
  const db = await database({ sync: BY_CHANNELS });
  await putMany(db.admin, 40, (n) => ({ _id: `d${n}`, channels: 'a' }));
  assert.equal((await request('POST', `${db.admin}/_offline`)).status, 200);
  for (const channel of ['b', 'c', 'd']) {
    const { report } = await planWith(db, { sync: `function (doc) { channel("${channel}"); }` });
    assert.deepEqual(
      report.channels.map((each) => [each.channel, each.docs_entering, each.docs_leaving]),
      [
        ['a', 0, 40],
        [channel, 40, 0],
      ],
    );
  }
});

test('without a function it is the configured one, which an offline database may not run yet', async () => {
  const db = await database({ sync: BY_CHANNELS });
  await putMany(db.admin, 5, (n) => ({ _id: `d${n}`, channels: 'a' }));
  assert.equal((await planWith(db, {})).docs_changed, 0);
  await changeFunction(db, 'function (doc) { channel("b"); }');
  const plan = await planWith(db, {});
  assert.equal(plan.docs_changed, 5);
  // It goes online in the middle: the plan goes on.
  await request('POST', `${db.admin}/_online`);
  assert.equal((await planStatus(db)).docs_processed, 5);
});

test('collections have functions of their own; roles reach users in all of them', async () => {
  const collection = { sync: BY_CHANNELS };
  const db = await database({
    scopes: { shop: { collections: { orders: collection, goods: collection } } },
  });
  const role = await request('PUT', `${db.admin}/_role/r`, {
    json: { collection_access: { shop: { goods: { admin_channels: ['g'] } } } },
  });
  assert.equal(role.status, 201, role.text);
  await putUser(db, 'ann', {});
  await putMany(`${db.admin}.shop.orders`, 3, (n) => ({ _id: `o${n}`, channels: 'o' }));
  await putMany(`${db.admin}.shop.goods`, 4, (n) => ({ _id: `g${n}`, channels: 'g' }));
  const functions = { 'shop.orders': 'function (doc) { role("ann", "role:r"); }' };
  const plan = await planWith(db, { functions });
  assert.deepEqual(
    plan.report.users.map((each) => [each.name, each.docs_gained, each.docs_lost]),
    [['ann', 4, 0]],
  );
  assert.deepEqual(
    plan.report.channels.map((each) => [each.collection, each.channel, each.docs_leaving]),
    [['shop.orders', 'o', 3]],
  );
  const one = await planWith(db, { scopes: { shop: ['orders'] }, functions });
  assert.equal(one.docs_processed, 3);
  for (const [body, why] of [
    [{ sync: BY_CHANNELS }, /sync: is the function of one collection/],
    [{ functions: { 'shop.none': BY_CHANNELS } }, /no collection shop\.none/],
    [{ scopes: { shop: ['goods'] }, functions }, /no collection shop\.orders among those/],
    [{ scopes: { shop: ['none'] } }, /no collection shop\.none/],
    [{ functions: { 'shop.goods': 'function (doc) {\n  channel(;\n}' } }, /shop\.goods: .*line 2/],
  ] as const) {
    const answer = await request('POST', `${db.admin}/_resync?action=plan`, { json: body });
    assert.equal(answer.status, 400, answer.text);
    assert.match((answer.json as { reason: string }).reason, why);
  }
});

test('a function that loops on every hundredth document is told of, and stop ends the plan', async () => {
  const db = await database({ sync: BY_CHANNELS });
  await request('POST', `${db.admin}/_config`, { json: { javascript_timeout_secs: 1 } });
  await putMany(db.admin, 200, (n) => ({ _id: `d${n}`, channels: 'a', n }));
  const plan = await planWith(db, {
    sync: 'function (doc) { while (doc.n % 100 == 50); channel("b"); }',
  });
  assert.partialDeepStrictEqual(plan, { docs_changed: 198, docs_errored: 2 });
  assert.deepEqual(plan.errors.map(({ id }) => id).toSorted(), ['d150', 'd50']);
  assert.equal((await request('POST', `${db.admin}/_resync?action=stop`)).status, 400);

  const slow = `function (doc) {
    var until = Date.now() + 5; while (Date.now() < until); channel("b");
  }`;
  const stop = `${db.admin}/_resync?action=stop&plan=true`;
  await startPlan(db, { sync: slow });
  const again = await request('POST', `${db.admin}/_resync?action=plan`, { json: {} });
  assert.equal(again.status, 503, again.text);
  assert.equal((await request('POST', stop)).status, 200);
  const stopped = await planEnd(db);
  assert.equal(stopped.status, 'stopped');
  assert.equal(stopped.report, undefined);
  assert.ok(stopped.docs_processed < 200);
  assert.equal((await request('POST', stop)).status, 400);
  const whole = await planWith(db, { sync: slow });
  assert.equal(whole.plan_id, stopped.plan_id, 'it goes on');
  assert.partialDeepStrictEqual(whole, { docs_processed: 200, docs_changed: 200 });
  assert.equal(whole.report.channels[0]?.docs_leaving, 200);
});
