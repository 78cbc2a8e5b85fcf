import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { isGatewayError } from '../util/errors.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { merge } from './config-change.ts';
import type { Database, OpenRequest } from './database.ts';
import { readDatabaseRecord } from './database-record.ts';
import { DRAIN_SECS, LifeModel } from './life-model.ts';
import type { Asked } from './life-model.ts';
import type { DatabaseRegistry } from './registry.ts';
import type { ServedDatabase } from './served-database.ts';
import type { TestRegistries } from './test-registries.ts';
import { openTestRegistries } from './test-registries.ts';

/** The life of a database, walked at random beside a model of it. */

type Step =
  | { readonly do: 'ask'; readonly asked: Asked }
  /** Something is asked while the database comes online. */
  | { readonly do: 'ask at start'; readonly asked: Asked }
  | { readonly do: 'request' }
  | { readonly do: 'answer' }
  | { readonly do: 'wait'; readonly secs: number };

const asked: fc.Arbitrary<Asked> = fc.oneof(
  fc.record({ to: fc.constantFrom('goOnline', 'goOffline', 'feedLost') }),
  fc.record({ to: fc.constant('goOnlineLater'), secs: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ to: fc.constant('configure'), offline: fc.constantFrom(true, false, undefined) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask'), asked }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask at start'), asked }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('request', 'answer') }) },
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
  isCutOff = false;

  constructor(database: Database) {
    this.#database = database;
    database.enter(this);
  }

  answer(): void {
    this.#database.leave(this);
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

let opened: TestRegistries;
let registry: DatabaseRegistry;
const clock = new DrivenClock();
before(async () => {
  opened = await openTestRegistries({ clock });
  registry = await opened.registry();
});
after(() => opened[Symbol.asyncDispose]());

async function call({ served }: Walked, what: Asked): Promise<void> {
  switch (what.to) {
    case 'goOnline':
      return served.goOnline();
    case 'goOffline':
      return served.goOffline();
    case 'feedLost':
      return served.feedLost('the disk is gone');
    case 'goOnlineLater':
      return served.goOnlineLater(what.secs * 1000);
    case 'configure': {
      const offline = what.offline === undefined ? {} : { offline: what.offline };
      return served.configure(merge(offline), () => true);
    }
  }
}

function ask(walked: Walked, what: Asked): void {
  const expected = walked.model.ask(what);
  const { asking, wrong } = walked;
  const told = (outcome: string): void => {
    if (outcome !== expected) wrong.push(`${JSON.stringify(what)}: ${outcome}, not ${expected}`);
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
      if (at.asked.to === 'configure' && model.drainsMuch) return;
      return ask(walked, at.asked);
    case 'ask at start':
      if (model.state !== 'Offline') return;
      ask(walked, { to: 'goOnline' });
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
  assert.equal(served.current.config.offline, model.storedOffline);
  const cutOff = held.filter(({ isCutOff }) => isCutOff);
  for (const request of cutOff) held.splice(held.indexOf(request), 1);
  assert.equal(held.length, model.requests);
  assert.equal(served.current.closing.aborted, false);
}

let walks = 0;

async function check(steps: readonly Step[]): Promise<void> {
  const name = `db${(walks += 1)}`;
  await registry.create(name, { bucket: 'b', offline_drain_secs: DRAIN_SECS });
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
    await Promise.all(walked.asking);
    await registry.delete(name);
  }
}

test('a database is always in the state that the table says, and no request hangs', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), check), {
    numRuns: 25,
    endOnFailure: false,
  });
});
