import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase, putUser } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { resyncWith } from '../helpers/resync.ts';
import { FeedClient, feedKind } from './feed-client.ts';
import type { FeedKind } from './feed-client.ts';
import { doc, FUNCTIONS, OWN, USERS, visible as visibleOf } from './resync-model.ts';
import type { Doc } from './resync-model.ts';

// Invariants 2 and 3 over resyncs: random documents, functions that route and grant otherwise each
// time, and readers who follow on and off: each holds what a model says that it may see.

const round = fc.record({
  function: fc.nat({ max: FUNCTIONS.length - 1 }),
  removes: fc.option(fc.nat({ max: 7 })),
  readers: fc.subarray([...USERS]),
  feed: feedKind,
  limit: fc.constantFrom(2, 100),
});

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** What a user may see where one function has routed all. */
function visible(docs: ReadonlyMap<string, Doc>, at: number, user: string): readonly string[] {
  return visibleOf(
    Array.from(docs, ([id, each]) => ({ id, doc: each, by: at })),
    user,
  );
}

async function check(
  db: TestDatabase,
  client: FeedClient,
  {
    expected,
    ...reading
  }: {
    readonly limit: number;
    readonly feed: FeedKind;
    readonly expected: readonly string[];
  },
): Promise<void> {
  const allowed = new Set(expected);
  await client.follow(reading, (row, rev) => {
    if (rev !== undefined) assert.ok(allowed.has(row.id), `${row.id} is told, and may not be seen`);
  });
  const held = [...client.held.keys()].filter((id) => !id.startsWith('_')).toSorted();
  assert.deepEqual(held, expected, db.admin);
}

let databases = 0;

test('after each resync every reader ends up with what the function lets it see', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(doc, { minLength: 4, maxLength: 10 }),
      fc.array(round, { minLength: 2, maxLength: 4 }),
      async (docs, rounds) => {
        const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
        const sync = FUNCTIONS[0]!.source;
        const db = await createDatabase({ urls }, `prop${++databases}`, { sync });
        const living = new Map(docs.map((each, at) => [`d${at}`, each]));
        for (const name of USERS) await putUser(db, name, { admin_channels: OWN[name]! });
        for (const [id, json] of living) await request('PUT', `${db.admin}/${id}`, { json });
        const clients = new Map(USERS.map((name) => [name, new FeedClient(db.public, name)]));
        const reading = { limit: 100, feed: 'normal' } as const;
        for (const [name, client] of clients)
          await check(db, client, { ...reading, expected: visible(living, 0, name) });
        let at = 0;
        for (const { function: next, removes, readers, feed, limit } of rounds) {
          at = next;
          const end = await resyncWith(db, FUNCTIONS[at]!.source);
          assert.equal(end.status, 'completed', end.last_error);
          if (removes !== null && living.delete(`d${removes}`)) {
            const { json } = await request('GET', `${db.admin}/d${removes}`);
            const { _rev: rev } = json as { _rev: string };
            await request('DELETE', `${db.admin}/d${removes}?rev=${rev}`);
          }
          for (const name of readers)
            await check(db, clients.get(name)!, {
              feed,
              limit,
              expected: visible(living, at, name),
            });
        }
        for (const [name, client] of clients) {
          const expected = visible(living, at, name);
          await check(db, client, { ...reading, expected });
          await check(db, new FeedClient(db.public, name), { ...reading, expected });
        }
        await request('DELETE', `${db.admin}/`);
      },
    ),
    { numRuns: Number(process.env['RESYNC_RUNS'] ?? 4) },
  );
});
