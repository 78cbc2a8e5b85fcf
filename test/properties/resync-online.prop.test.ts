import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { resyncEnd, resyncStatus } from '../helpers/resync.ts';
import type { ResyncStatus } from '../helpers/resync.ts';
import { until } from '../helpers/until.ts';
import { feedKind } from './feed-client.ts';
import type { RoutedDoc } from './resync-model.ts';
import { doc, FUNCTIONS, USERS } from './resync-model.ts';
import { ResyncReaders } from './resync-readers.ts';

// Invariants 2 and 3 at every step of an online resync: it is stopped after some of its steps, and
// what each reader holds is what the mixture of functions lets it see; clients write meanwhile.

/** Some steps of a resync beside requests. */
const DOCUMENTS = 90;
const id = (n: number): string => `d${String(n).padStart(3, '0')}`;

const round = fc.record({
  function: fc.nat({ max: FUNCTIONS.length - 1 }),
  /** It is stopped when so many are done. */
  stopsAt: fc.constantFrom(1, 26, 51, 76),
  /** Documents that are written again while it stands. */
  writes: fc.array(fc.tuple(fc.nat({ max: DOCUMENTS - 1 }), doc), { maxLength: 3 }),
  goesOn: fc.boolean(),
  readers: fc.subarray([...USERS], { minLength: 1 }),
  feed: feedKind,
  limit: fc.constantFrom(20, 200),
});

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

async function start({ admin }: TestDatabase, json: object): Promise<void> {
  const answer = await request('POST', `${admin}/_resync`, { json: { online: true, ...json } });
  assert.equal(answer.status, 200, answer.text);
}

/** Stops it in the middle, if it is not through by then. */
async function stopAt(db: TestDatabase, documents: number): Promise<ResyncStatus> {
  await until('so many are done', async () => {
    const { docs_processed: processed, status } = await resyncStatus(db);
    return processed >= documents || status !== 'running' ? true : undefined;
  });
  await request('POST', `${db.admin}/_resync?action=stop`);
  return resyncEnd(db);
}

let databases = 0;

test('at every step each reader ends up with what the mixture lets it see', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(doc, { minLength: DOCUMENTS, maxLength: DOCUMENTS }),
      fc.array(round, { minLength: 2, maxLength: 3 }),
      async (docs, rounds) => {
        const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
        const sync = FUNCTIONS[0]!.source;
        const db = await createDatabase({ urls }, `step${++databases}`, { sync });
        const readers = new ResyncReaders(db);
        await readers.create();
        let stored = docs.map((each, n): RoutedDoc => ({ id: id(n), doc: each, by: 0 }));
        const json = { docs: stored.map((each) => ({ _id: each.id, ...each.doc })) };
        await request('POST', `${db.admin}/_bulk_docs`, { json });
        await readers.check(stored);
        for (const { function: by, stopsAt, writes, goesOn, ...reading } of rounds) {
          await start(db, { sync: FUNCTIONS[by]!.source });
          const { docs_processed: done, status } = await stopAt(db, stopsAt);
          assert.ok(status === 'stopped' || done === DOCUMENTS, status);
          stored = stored.map((each, n) => (n < done ? { ...each, by } : each));
          for (const [n, changed] of writes)
            if (await readers.write(id(n), changed)) stored[n] = { id: id(n), doc: changed, by };
          await readers.check(stored, reading);
          if (!goesOn) continue;
          await start(db, {});
          assert.equal((await resyncEnd(db)).status, 'completed');
          stored = stored.map((each) => ({ ...each, by }));
          await readers.check(stored, reading);
        }
        await readers.checkAll(stored);
        await request('DELETE', `${db.admin}/`);
      },
    ),
    { numRuns: Number(process.env['RESYNC_RUNS'] ?? 2) },
  );
});
