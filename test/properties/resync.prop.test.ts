import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createDatabase } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { resyncWith } from '../helpers/resync.ts';
import { feedKind } from './feed-client.ts';
import type { Doc, RoutedDoc } from './resync-model.ts';
import { doc, FUNCTIONS, USERS } from './resync-model.ts';
import { ResyncReaders } from './resync-readers.ts';

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

/** All of them, routed by one function. */
const routed = (docs: ReadonlyMap<string, Doc>, by: number): readonly RoutedDoc[] =>
  Array.from(docs, ([id, each]) => ({ id, doc: each, by }));

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
        const readers = new ResyncReaders(db);
        await readers.create();
        for (const [id, json] of living) await request('PUT', `${db.admin}/${id}`, { json });
        await readers.check(routed(living, 0));
        let at = 0;
        for (const { function: next, removes, ...reading } of rounds) {
          at = next;
          const end = await resyncWith(db, FUNCTIONS[at]!.source);
          assert.equal(end.status, 'completed', end.last_error);
          if (removes !== null && living.delete(`d${removes}`)) {
            const { json } = await request('GET', `${db.admin}/d${removes}`);
            const { _rev: rev } = json as { _rev: string };
            await request('DELETE', `${db.admin}/d${removes}?rev=${rev}`);
          }
          await readers.check(routed(living, at), reading);
        }
        await readers.checkAll(routed(living, at));
        await request('DELETE', `${db.admin}/`);
      },
    ),
    { numRuns: Number(process.env['RESYNC_RUNS'] ?? 4) },
  );
});
