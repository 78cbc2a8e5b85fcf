import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { feedKind } from './feed-client.ts';
import type { RoutedDoc } from './resync-model.ts';
import { doc, FUNCTIONS, USERS } from './resync-model.ts';
import { ResyncReaders } from './resync-readers.ts';
import { SteppedResync } from './resync-steps.ts';

// Invariants 2 and 3 at every step of a resync, online and offline: another process does it by the
// same runner, a few documents a step; between all steps readers follow, and clients write.

const DOCUMENTS = 9;
const id = (n: number): string => `d${n}`;
const writes = fc.array(fc.tuple(fc.nat({ max: DOCUMENTS - 1 }), doc), { maxLength: 2 });

/** What is done between two steps. */
const between = fc.record({
  writes,
  /** While documents are judged and not yet committed. */
  late: writes,
  readers: fc.subarray([...USERS], { minLength: 1 }),
  feed: feedKind,
  limit: fc.constantFrom(2, 200),
});

const run = fc.record({
  function: fc.nat({ max: FUNCTIONS.length - 1 }),
  stepDocuments: fc.constantFrom(1, 2, 4),
  between: fc.array(between, { minLength: 4, maxLength: 4 }),
});

type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

async function post({ admin }: TestDatabase, action: string): Promise<void> {
  const answer = await request('POST', `${admin}/${action}`);
  assert.equal(answer.status, 200, answer.text);
}

async function setFunction({ admin }: TestDatabase, body: string): Promise<void> {
  const headers = { 'content-type': 'application/javascript' };
  const answer = await request('PUT', `${admin}/_config/sync`, { body, headers });
  assert.equal(answer.status, 200, answer.text);
}

let databases = 0;

/** The model and the database, side by side. */
class Scene {
  readonly db: TestDatabase;
  readonly readers: ResyncReaders;
  readonly resync: SteppedResync;
  #stored: readonly RoutedDoc[];

  private constructor(db: TestDatabase, stored: readonly RoutedDoc[], resync: SteppedResync) {
    this.db = db;
    this.readers = new ResyncReaders(db);
    this.resync = resync;
    this.#stored = stored;
  }

  static async open(docs: readonly RoutedDoc['doc'][]): Promise<Scene> {
    const urls = { public: gateway.public, admin: gateway.admin, metrics: gateway.metrics };
    const name = `stepped${++databases}`;
    const db = await createDatabase({ urls }, name, { sync: FUNCTIONS[0]!.source });
    const stored = docs.map((each, n): RoutedDoc => ({ id: id(n), doc: each, by: 0 }));
    const json = { docs: stored.map((each) => ({ _id: each.id, ...each.doc })) };
    await request('POST', `${db.admin}/_bulk_docs`, { json });
    const scene = new Scene(db, stored, await SteppedResync.open(gateway.dataDir, name));
    await scene.readers.create();
    return scene;
  }

  /** The first of them have gone over. */
  done(count: number, by: number): void {
    this.#stored = this.#stored.map((each, n) => (n < count ? { ...each, by } : each));
  }

  async write(all: Run['between'][number]['writes'], by: number): Promise<void> {
    for (const [n, changed] of all)
      if (await this.readers.write(id(n), changed))
        this.#stored = this.#stored.with(n, { id: id(n), doc: changed, by });
  }

  async check(reading: Parameters<ResyncReaders['check']>[1]): Promise<void> {
    await this.readers.check(this.#stored, reading);
  }

  async end(): Promise<void> {
    await this.readers.checkAll(this.#stored);
    await this.resync[Symbol.asyncDispose]();
    await request('DELETE', `${this.db.admin}/`);
  }
}

const docs = fc.array(doc, { minLength: DOCUMENTS, maxLength: DOCUMENTS });
const runs = fc.array(run, { minLength: 1, maxLength: 2 });
const RUNS = { numRuns: Number(process.env['RESYNC_RUNS'] ?? 2) };

test('between all steps of an online resync each reader has what the mixture lets it see', async () => {
  await fc.assert(
    fc.asyncProperty(docs, runs, async (all, rounds) => {
      const scene = await Scene.open(all);
      for (const { function: by, stepDocuments, between: told } of rounds) {
        await setFunction(scene.db, FUNCTIONS[by]!.source);
        const task = await scene.resync.begin();
        let steps = 0;
        const now = (): Run['between'][number] => told[steps % told.length]!;
        await scene.resync.online(task, stepDocuments, {
          steps: async (done) => {
            steps++;
            scene.done(done, by);
            const { writes: first, readers, feed, limit } = now();
            await scene.write(first, by);
            await scene.check({ readers, feed, limit });
          },
          // NOTE: at most twice for a step, or a document would be written again for ever.
          commit: async () => {
            if (steps <= 2 * DOCUMENTS) await scene.write(now().late, by);
          },
        });
        assert.deepEqual(await scene.resync.standing(), { done: DOCUMENTS, status: 'completed' });
        scene.done(DOCUMENTS, by);
        await scene.check({});
      }
      await scene.end();
    }),
    RUNS,
  );
});

test('after each step of an offline resync, brought online, the same', async () => {
  await fc.assert(
    fc.asyncProperty(docs, runs, async (all, rounds) => {
      const scene = await Scene.open(all);
      for (const { function: by, stepDocuments, between: told } of rounds) {
        await post(scene.db, '_offline');
        await setFunction(scene.db, FUNCTIONS[by]!.source);
        const task = await scene.resync.begin();
        for (let step = 0; ; step++) {
          await scene.resync.oneStepOffline(task, stepDocuments);
          const { done, status } = await scene.resync.standing();
          assert.equal(done, Math.min((step + 1) * stepDocuments, DOCUMENTS));
          scene.done(done, by);
          await post(scene.db, '_online');
          const { writes: first, late, ...reading } = told[step % told.length]!;
          await scene.write([...first, ...late], by);
          await scene.check(reading);
          if (status === 'completed') break;
          await post(scene.db, '_offline');
        }
        await scene.check({});
      }
      await scene.end();
    }),
    RUNS,
  );
});
