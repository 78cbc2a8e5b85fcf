import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';

import type { Cas } from '../../document/types.ts';
import { silentLog } from '../../observability/log.ts';
import { systemClock } from '../../util/clock.ts';
import type { Bucket, Change, CollectionId, Mutation, MutationPage } from '../bucket.ts';
import {
  channelGrant,
  docId,
  move,
  putDocument,
  putPrincipal,
  putRecord,
  recordKey,
  revId,
  seq,
} from '../contract/changes.ts';
import { Reader } from './reader.ts';
import { SqliteServer } from './sqlite-server.ts';
import { TEST_OPTIONS, testFolder } from './test-support.ts';

const WAIT_MS = 20_000;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

interface Step {
  readonly by: 'own' | 'other';
  readonly what: 'write' | 'delete' | 'purge' | 'grant' | 'stale' | 'record' | 'principal';
  readonly key: string;
  readonly channels: readonly string[];
  /** With the next step: in one call, in one batch, as a call of the same group, or not. */
  readonly joins: 'call' | 'batch' | 'group' | 'not';
}

const steps = fc.array(
  fc.record<Step>({
    by: fc.constantFrom('own', 'own', 'own', 'other'),
    what: fc.oneof(
      { weight: 6, arbitrary: fc.constant('write' as const) },
      fc.constantFrom<Step['what']>('delete', 'purge', 'grant', 'stale', 'record', 'principal'),
    ),
    key: fc.constantFrom(...KEYS),
    channels: fc.subarray(['x', 'y', 'z', ...Array.from({ length: 9 }, (_, at) => `c${at}`)]),
    joins: fc.constantFrom('call', 'batch', 'group', 'not', 'not'),
  }),
  { minLength: 1, maxLength: 40 },
);

/** Knows which sequences the steps take: to say over which state each is made. */
class Model {
  readonly #documents = new Map<string, { readonly seq: number; readonly grants: boolean }>();
  readonly #inside = new Map<string, readonly string[]>();
  readonly #collection: CollectionId;
  #principal: Cas | 'absent' = 'absent';
  #writes = 0;
  last = 0;

  constructor(collection: CollectionId) {
    this.#collection = collection;
  }

  change({ what, key, channels }: Step): Change {
    const collection = this.#collection;
    const before = this.#documents.get(key);
    if (what === 'stale') return putDocument(collection, key, { ifCas: 99_999 as Cas });
    if (what === 'record') return putRecord(recordKey(key));
    if (what === 'principal') {
      const ifCas = this.#principal;
      this.#principal = this.#next() as Cas;
      return putPrincipal('user:p', { ifCas });
    }
    if (what === 'purge') {
      if (before?.grants === true) this.#next();
      this.#documents.delete(key);
      this.#inside.delete(key);
      return { kind: 'purge', collection, key: docId(key) };
    }
    const at = this.#next();
    const grants = what === 'grant';
    this.#documents.set(key, { seq: at, grants: grants || (before?.grants ?? false) });
    const inside = what === 'delete' ? [] : channels;
    // A list may name a channel twice, or as left where it is in.
    const out = [...(this.#inside.get(key) ?? []), ...channels.slice(0, 1)];
    this.#inside.set(key, inside);
    this.#writes += 1;
    return putDocument(collection, key, {
      ifCas: before === undefined ? 'absent' : (before.seq as Cas),
      rev: revId(`${this.#writes}-r`),
      body: what === 'delete' ? null : '{}',
      flags: what === 'delete' ? 1 : 0,
      channels: move([...inside, ...inside.slice(0, 2)], out),
      ...(grants
        ? { grants: { database: 'db', grants: [channelGrant('user:p', collection, key)] } }
        : {}),
    });
  }

  #next(): number {
    this.last += 1;
    return this.last;
  }
}

/** The calls of the steps, each list to be committed at once by one of both. */
function* groupsOf(
  all: readonly Step[],
  model: Model,
): Iterable<{ readonly by: Step['by']; readonly calls: readonly (readonly Change[])[] }> {
  let calls: Change[][] = [[]];
  for (const [at, step] of all.entries()) {
    const next = all[at + 1];
    const change = model.change(step);
    const call = calls.at(-1)!;
    const batches = step.joins === 'batch' && change.kind !== 'batch' && step.what !== 'stale';
    call.push(batches ? { kind: 'batch', changes: [change] } : change);
    if (next?.by === step.by && step.joins !== 'not') {
      if (step.joins !== 'call') calls.push([]);
      continue;
    }
    yield { by: step.by, calls };
    calls = [[]];
  }
}

/** Both have the file open, as two processes would; `reader` reads as nobody remembers anything. */
async function openTwice() {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await testFolder());
  const buckets: Bucket[] = [];
  for (const create of [true, false]) {
    const server = opening.use(await SqliteServer.inFolder(folder.path, TEST_OPTIONS));
    buckets.push(opening.use(await server.open('b', { create })));
  }
  const options = { log: silentLog, clock: systemClock };
  const reader = opening.use(new Reader(`${folder.path}/b.sqlite`, options.clock));
  const [own, other] = buckets as [Bucket, Bucket];
  const open = opening.move();
  const dispose = async (): Promise<void> => await open.disposeAsync();
  return { own, other, reader, [Symbol.asyncDispose]: dispose };
}

class Follower {
  readonly pages: MutationPage[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  at: number;
  #told = Promise.withResolvers<void>();

  constructor(
    bucket: Bucket,
    since: number,
    eachPage: (page: MutationPage, at: number) => unknown,
  ) {
    this.at = since;
    this.#done = this.#follow(bucket, eachPage);
  }

  async #follow(bucket: Bucket, eachPage: (page: MutationPage, at: number) => unknown) {
    try {
      for await (const page of bucket.mutations(seq(this.at), this.#stop.signal)) {
        await eachPage(page, this.at);
        this.pages.push(page);
        this.at = page.upTo;
        this.#told.resolve();
        this.#told = Promise.withResolvers();
      }
    } catch (cause) {
      this.#told.reject(cause);
      throw cause;
    }
  }

  async reaches(upTo: number): Promise<void> {
    const late = AbortSignal.timeout(WAIT_MS);
    const isLate = once(late, 'abort');
    while (this.at < upTo) {
      await Promise.race([this.#told.promise, isLate]);
      assert.equal(late.aborted, false, `it was told up to ${this.at}, not ${upTo}`);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

test('what own commits tell is what the file tells right after them', async () => {
  let shared = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.nat(20), { maxLength: 2 }), async (all, starts) => {
      await using open = await openTwice();
      const { own, other, reader } = open;
      const model = new Model(await own.openCollection('_default._default'));
      const purges = all.filter(({ what }) => what === 'purge');
      const purged = new Set(purges.map(({ key }) => key));
      const sameAsFile = async (page: MutationPage, at: number): Promise<void> => {
        const step = await reader.read((r) => r.mutations.step({ seq: seq(at) }, r.lastSequence()));
        assert.deepEqual(page, asOf(page, step.page, purged));
      };
      const first = new Follower(own, 0, sameAsFile);
      const second = new Follower(own, 0, sameAsFile);
      const later: Follower[] = [];
      for (const { by, calls } of groupsOf(all, model)) {
        const bucket = by === 'own' ? own : other;
        // Followers are told within the end of a group, which would take the first call alone.
        await setImmediate();
        await Promise.all(calls.map(async (changes) => await bucket.commit(changes)));
        for (const follower of [first, second, ...later]) await follower.reaches(model.last);
        const [start] = later.length < starts.length ? starts.slice(later.length) : [];
        if (start !== undefined && start <= model.last) {
          const follower = new Follower(own, start, sameAsFile);
          later.push(follower);
          // It reads the file, which must not change before what it is told is compared with it.
          await follower.reaches(model.last);
        }
      }
      assert.equal(await own.lastSequence(), model.last);
      for (const follower of [first, second, ...later]) await follower.stop();
      // A page that two of them have was not read twice.
      const pages = new Set(first.pages);
      shared += second.pages.filter((page) => pages.has(page)).length;
    }),
    { numRuns: 15 },
  );
  assert.ok(shared > 20, `${shared} pages were not read from the file`);
});

/**
 * What the file told when the page was, from what it tells a moment later. NOTE: the calls of a
 * group may be several transactions, so it may have gone on: what changed again stands only at its
 * newest, and of what was `purged` there is nothing.
 */
function asOf(told: MutationPage, file: MutationPage, purged: ReadonlySet<string>): MutationPage {
  const { upTo } = told;
  assert.ok(file.upTo >= upTo);
  const stays = new Set(file.mutations.map(nameOf));
  const changedAgain = new Set(file.mutations.filter((one) => one.seq > upTo).map(nameOf));
  const hasGone = (name: string): boolean =>
    changedAgain.has(name) || (purged.has(name) && !stays.has(name));
  const mutations = [
    ...file.mutations.filter((one) => one.seq <= upTo),
    ...told.mutations.filter((one) => hasGone(nameOf(one))),
  ].toSorted((x, y) => x.seq - y.seq);
  return { mutations, upTo };
}

const nameOf = (mutation: Mutation): string =>
  mutation.kind === 'document' ? mutation.key : mutation.principal;

test('readers of any speed are told everything, whoever commits meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.nat(3), { minLength: 1 }), async (all, pauses) => {
      await using open = await openTwice();
      const { own, other, reader } = open;
      const c = await own.openCollection('_default._default');
      const write = async (bucket: Bucket, by: Step['by']): Promise<void> => {
        for (const step of all) {
          if (step.by !== by) continue;
          const before = await bucket.get(c, docId(step.key));
          await bucket.commit([
            putDocument(c, step.key, {
              ifCas: before?.cas ?? 'absent',
              rev: revId(`${by}-${before?.cas ?? 0}`),
              channels: move(step.channels),
            }),
          ]);
        }
      };
      let told = 0;
      const pause = async (): Promise<void> => {
        told += 1;
        for (let n = pauses[told % pauses.length] ?? 0; n > 0; n -= 1) await setImmediate();
      };
      const followers = [new Follower(own, 0, () => undefined), new Follower(own, 0, pause)];
      await Promise.all([write(own, 'own'), write(other, 'other')]);
      const last = await own.lastSequence();
      const { page } = await reader.read((r) => r.mutations.step({ seq: seq(0) }, last));
      for (const follower of followers) {
        await follower.reaches(last);
        await follower.stop();
        const mutations = follower.pages.flatMap((each) => each.mutations);
        const seqs = mutations.map((mutation) => mutation.seq);
        assert.deepEqual(
          seqs,
          [...new Set(seqs)].toSorted((x, y) => x - y),
        );
        const newest = new Map(mutations.map((mutation) => [nameOf(mutation), mutation]));
        assert.deepEqual(
          [...newest.values()].toSorted((x, y) => x.seq - y.seq),
          page.mutations,
        );
      }
    }),
    { numRuns: 8 },
  );
});
