import assert from 'node:assert/strict';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_COLLECTION } from '../config/scopes.ts';
import { isGatewayError } from '../util/errors.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { readRouting, routingChange } from './collection-routing.ts';
import { merge } from './config-change.ts';
import type { Database, OpenRequest } from './database.ts';
import { readDatabaseRecord, replaceDatabaseRecord } from './database-record.ts';
import { DRAIN_SECS, LifeModel } from './life-model.ts';
import type { Asked } from './life-model.ts';
import type { DatabaseRegistry } from './registry.ts';
import type { ServedDatabase } from './served-database.ts';
import type { TestRegistries } from './test-registries.ts';
import { openTestRegistries } from './test-registries.ts';

/** The life of a database, walked at random beside a model of it. */

const SEED = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261124);
/** Of 10 to 40 steps each; 600 of them make 10,000. */
const RUNS = Number(process.env['TIDEGATE_TEST_RUNS'] ?? 25);

type Step =
  | { readonly do: 'ask'; readonly asked: Asked }
  /** Something is asked while the database comes online. */
  | { readonly do: 'ask at start'; readonly asked: Asked }
  /** The file of the bucket is taken away, or put back. */
  | { readonly do: 'move file' }
  /** Its collection becomes another database's, or its own again, as by a resync. */
  | { readonly do: 'take over' }
  | { readonly do: 'request' }
  | { readonly do: 'answer' }
  | { readonly do: 'wait'; readonly secs: number };

const scope = fc.constantFrom('group' as const, 'node' as const);
const offline = fc.constantFrom(true, false, undefined);
const asked: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ to: fc.constantFrom('goOnline', 'goOffline'), scope }) },
  { weight: 1, arbitrary: fc.constant({ to: 'feedLost' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      to: fc.constant('goOnlineLater'),
      secs: fc.integer({ min: 1, max: 40 }),
      scope,
    }),
  },
  { weight: 2, arbitrary: fc.record({ to: fc.constant('configure'), offline }) },
);
const followed = fc.record({ to: fc.constant('follow'), offline });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask'), asked }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask'), asked: followed }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask at start'), asked }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('request', 'answer') }) },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'move file' }, { do: 'take over' }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait'), secs: fc.integer({ min: 1, max: 45 }) }),
  },
);

/** Nothing of the walk takes longer: its time stands still. */
const HANGS_AFTER_MS = 10_000;

/** A request that is answered when the walk says so. */
class Held implements OpenRequest {
  readonly #database: Database;
  readonly #slot: number;
  isCutOff = false;

  constructor(database: Database) {
    this.#database = database;
    this.#slot = database.enter(this);
  }

  answer(): void {
    this.#database.leave(this.#slot, this);
  }

  cutOff(): void {
    this.isCutOff = true;
    this.answer();
  }
}

interface Walked {
  readonly clock: DrivenClock;
  readonly served: ServedDatabase;
  readonly model: LifeModel;
  readonly held: Held[];
  /** What was asked and is not answered yet, with what must come of it. */
  readonly asking: Set<Promise<void>>;
  readonly wrong: string[];
}

let folder: string;
let opened: TestRegistries;
let registry: DatabaseRegistry;
const clock = new DrivenClock();
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tidegate-walk-'));
  opened = await openTestRegistries({ clock, server: `sqlite:${folder}` });
  registry = await opened.registry();
});
after(async () => {
  await opened[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** From where it is found to where it is not, and back. */
async function moveFile(isAway: boolean): Promise<void> {
  const file = path.join(folder, 'b.sqlite');
  const [from, to] = isAway ? [file, `${file}.away`] : [`${file}.away`, file];
  await rename(from, to);
}

/** As another node does it. */
async function changeElsewhere(name: string, isOffline: boolean | undefined): Promise<void> {
  const stored = await readDatabaseRecord(opened.bucket, name);
  assert.ok(stored !== undefined);
  const { record, cas } = stored;
  const given = isOffline === undefined ? record.given : { ...record.given, offline: isOffline };
  const updatedAt = new Date(clock.now()).toISOString();
  await replaceDatabaseRecord(opened.bucket, { ...record, given, updatedAt }, cas);
}

async function routeFor(metadataId: string): Promise<void> {
  const before = await readRouting(opened.bucket, DEFAULT_COLLECTION);
  const routing = { metadataId, isWhole: true };
  await opened.bucket.commit([routingChange(DEFAULT_COLLECTION, routing, before?.cas ?? 'absent')]);
}

async function call({ served }: Walked, what: Asked): Promise<void> {
  switch (what.to) {
    case 'goOnline':
      return served.goOnline(what.scope);
    case 'goOffline':
      return served.goOffline(what.scope);
    case 'feedLost':
      return served.feedLost({ reason: 'the disk is gone', onlyWrites: false, sinceMs: 0 });
    case 'goOnlineLater':
      return served.goOnlineLater(what.secs * 1000, what.scope);
    case 'configure': {
      const offline = what.offline === undefined ? {} : { offline: what.offline };
      return served.configure(merge(offline), () => true);
    }
    case 'follow':
      return served.refresh();
  }
}

function ask(walked: Walked, what: Asked): void {
  const { asking, wrong, model } = walked;
  const expected = model.ask(what);
  const told = async (outcome: string): Promise<void> => {
    const right = await expected;
    if (right === 'either' ? outcome === 'done' || outcome === 'unavailable' : outcome === right)
      return;
    wrong.push(`${JSON.stringify(what)}: ${outcome}, not ${right}`);
  };
  const answered = call(walked, what)
    .then(
      () => told('done'),
      (cause: unknown) => told(isGatewayError(cause) ? cause.tag : String(cause)),
    )
    .finally(() => asking.delete(answered));
  asking.add(answered);
}

/** Until nothing goes on by itself any more: what still goes on waits for a request or a time. */
async function settle({ served, clock, model, asking }: Walked): Promise<void> {
  const deadline = performance.now() + HANGS_AFTER_MS;
  while (performance.now() < deadline) {
    await new Promise(setImmediate);
    if (model.state === 'Stopping' && served.states.state === 'Stopping') return;
    const due = served.onlineAtMs !== undefined && served.onlineAtMs <= clock.now();
    const settled = ['Online', 'Offline'].includes(served.states.state);
    if (asking.size === 0 && !due && settled) return;
  }
  assert.fail(`it hangs: ${served.states.state}, ${asking.size} wait`);
}

async function walk(walked: Walked, at: Step): Promise<void> {
  const { model, served, held } = walked;
  switch (at.do) {
    case 'ask':
      if (at.asked.to !== 'feedLost' && model.drainsMuch) return;
      // What this node alone wanted ends with it, or not, as its answer is either.
      if (at.asked.to === 'goOffline' && model.isAway && model.ownState !== undefined) return;
      if (at.asked.to === 'follow') {
        if (model.isAway) return;
        await changeElsewhere(served.name, at.asked.offline);
        model.changedElsewhere(at.asked.offline);
      }
      return ask(walked, at.asked);
    case 'move file':
      // What waits for the end of a drain was asked of the file where it is now.
      if (model.state === 'Stopping') return;
      model.isAway = !model.isAway;
      return moveFile(model.isAway);
    case 'take over':
      if (model.state === 'Stopping' || model.isAway) return;
      model.isForeign = !model.isForeign;
      return routeFor(model.isForeign ? `not ${served.name}` : served.current.metadataId);
    case 'ask at start':
      if (model.state !== 'Offline' || model.isAway || model.isForeign) return;
      ask(walked, { to: 'goOnline', scope: 'group' });
      while (served.states.state === 'Offline') await Promise.resolve();
      assert.equal(served.states.state, 'Starting');
      assert.throws(() => new Held(served.current), { tag: 'unavailable' });
      return ask(walked, at.asked);
    case 'request':
      if (model.request()) held.push(new Held(served.current));
      else assert.throws(() => new Held(served.current), { tag: 'unavailable' });
      return;
    case 'answer':
      held.shift()?.answer();
      return model.answer();
    case 'wait':
      walked.clock.advance(at.secs * 1000);
      return model.wait();
  }
}

async function compare({ served, model, held, wrong }: Walked): Promise<void> {
  assert.deepEqual(wrong, []);
  assert.equal(served.states.state, model.state);
  assert.equal(served.onlineAtMs, model.onlineAtMs);
  const stored = await readDatabaseRecord(opened.bucket, served.name);
  assert.equal(stored?.record.given['offline'] ?? false, model.storedOffline);
  assert.equal(served.current.config.offline, model.knownOffline);
  assert.equal(served.ownState, model.ownState);
  const cutOff = held.filter(({ isCutOff }) => isCutOff);
  for (const request of cutOff) held.splice(held.indexOf(request), 1);
  assert.equal(held.length, model.requests);
  assert.equal(served.current.closing.aborted, false);
}

/** The feed is lost when the walk says so, not when the file was away for long. */
const CONFIG = { bucket: 'b', offline_drain_secs: DRAIN_SECS, feed_lost_offline_secs: 86_400 };
let walks = 0;

async function check(steps: readonly Step[]): Promise<void> {
  const name = `db${(walks += 1)}`;
  await registry.create(name, CONFIG);
  const served = registry.served(name);
  const model = new LifeModel(() => clock.now());
  const walked: Walked = { clock, served, model, held: [], asking: new Set(), wrong: [] };
  try {
    for (const at of steps) {
      await walk(walked, at);
      await settle(walked);
      await compare(walked);
    }
  } finally {
    for (const request of walked.held) request.answer();
    while (model.requests > 0) model.answer();
    await Promise.all(walked.asking);
    if (model.isAway) await moveFile(false);
    await registry.delete(name);
  }
}

test('a database is always in the state that the table says, and no request hangs', async (t) => {
  t.diagnostic(`seed ${SEED}, ${RUNS} walks`);
  let steps = 0;
  const counted = async (walked: readonly Step[]): Promise<void> => {
    steps += walked.length;
    await check(walked);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), counted), {
    seed: SEED,
    numRuns: RUNS,
    endOnFailure: RUNS > 25,
  });
  t.diagnostic(`${steps} steps`);
});
