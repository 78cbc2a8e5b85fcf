import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';

import type { Cas, Sequence } from '../../document/types.ts';
import { FLAG, type Bucket, type Change, type ChannelRow, type CollectionId } from '../bucket.ts';
import {
  channelGrant,
  channelRequest,
  docId,
  move,
  putDocument,
  revId,
  seq,
} from '../contract/changes.ts';
import { SqliteServer } from './sqlite-server.ts';
import { TEST_OPTIONS } from './test-support.ts';

const CHANNELS = ['a', 'b', 'c', 'd'] as const;
const USERS = ['user:u', 'user:v'] as const;

/** One random step: a key, and what becomes of it. */
interface Step {
  readonly key: string;
  readonly what: 'write' | 'delete' | 'purge' | 'stale';
  readonly channels: readonly string[];
  readonly granted: readonly string[];
  readonly withNext: boolean;
}

interface ModelDocument {
  readonly seq: number;
  readonly body: string | null;
  readonly rev: string;
  /** By channel: the sequence of its entry, and whether that is a removal. */
  readonly entries: ReadonlyMap<string, { readonly seq: number; readonly out: boolean }>;
  readonly grants: readonly string[];
}

/** The bucket as it should be, as simply as it can be said. */
class Model {
  readonly documents = new Map<string, ModelDocument>();
  /** `user channel source` of grants that hold, with their first sequence; and those that ended. */
  readonly grants = new Map<string, number>();
  readonly ended: string[] = [];
  readonly versions = new Map<string, number>();
  last = 0;
  #writes = 0;

  /** The change of a step, given to the bucket; the model takes it as applied, or as refused. */
  change(collection: CollectionId, step: Step): { readonly change: Change; readonly ok: boolean } {
    const { key, what } = step;
    const before = this.documents.get(key);
    if (what === 'stale') {
      const ifCas = before === undefined ? (99_999 as Cas) : 'absent';
      return { change: putDocument(collection, key, { ifCas }), ok: false };
    }
    if (what === 'purge') {
      this.documents.delete(key);
      if (before !== undefined && before.grants.length > 0) this.#setGrants(key, [], this.#next());
      return { change: { kind: 'purge', collection, key: docId(key) }, ok: true };
    }
    return { change: this.#write(collection, step, before), ok: true };
  }

  #write(collection: CollectionId, step: Step, before: ModelDocument | undefined): Change {
    const { key } = step;
    const deleted = step.what === 'delete';
    const inside = deleted ? [] : step.channels;
    const wasIn = [...(before?.entries ?? [])].filter(([, entry]) => !entry.out);
    const out = wasIn.map(([channel]) => channel).filter((channel) => !inside.includes(channel));
    const at = this.#next();
    const granted = deleted ? [] : step.granted;
    const entries = new Map(before?.entries);
    for (const channel of inside) entries.set(channel, { seq: at, out: false });
    for (const channel of out) entries.set(channel, { seq: at, out: true });
    this.#setGrants(key, granted, at);
    this.#writes += 1;
    const rev = `${this.#writes}-r`;
    const body = deleted ? null : `{"n":${this.#writes}}`;
    this.documents.set(key, { seq: at, body, rev, entries, grants: granted });
    const grants = granted.flatMap((channel) =>
      USERS.map((user) => channelGrant(user, collection, channel)),
    );
    return putDocument(collection, key, {
      ifCas: before === undefined ? 'absent' : (before.seq as Cas),
      body,
      rev: revId(rev),
      flags: deleted ? FLAG.deleted : 0,
      channels: move(inside, out),
      grants: { database: 'db', grants },
    });
  }

  #setGrants(source: string, channels: readonly string[], at: number): void {
    for (const user of USERS) {
      for (const channel of CHANNELS) {
        const name = `${user} ${channel} ${source}`;
        const from = this.grants.get(name);
        if (channels.includes(channel) === (from !== undefined)) continue;
        if (from === undefined) this.grants.set(name, at);
        else {
          this.grants.delete(name);
          this.ended.push(`${name} ${from}-${at}`);
        }
        this.versions.set(user, at);
      }
    }
  }

  #next(): number {
    this.last += 1;
    return this.last;
  }

  /** Rows of a feed over channels, in order. */
  rows(channels: readonly string[]): readonly string[] {
    const rows: { readonly seq: number; readonly text: string }[] = [];
    for (const [key, { entries }] of this.documents) {
      for (const [channel, entry] of entries) {
        if (!channels.includes(channel)) continue;
        const text = `${entry.seq} ${key} ${channel} ${entry.out}`;
        rows.push({ seq: entry.seq, text });
      }
    }
    const place = (text: string): number => channels.indexOf(text.split(' ')[2]!);
    rows.sort((x, y) => x.seq - y.seq || place(x.text) - place(y.text));
    return rows.map(({ text }) => text);
  }
}

const steps = fc.array(
  fc.record<Step>({
    key: fc.constantFrom('k1', 'k2', 'k3', 'k4', 'k5'),
    what: fc.constantFrom('write', 'write', 'write', 'delete', 'purge', 'stale'),
    channels: fc.subarray([...CHANNELS]),
    granted: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray([...CHANNELS])),
    withNext: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);

const server = await SqliteServer.inMemory(TEST_OPTIONS);
after(async () => await server[Symbol.asyncDispose]());
let buckets = 0;

/** Commits the steps, those that say so in one call with the next. */
async function run(bucket: Bucket, c: CollectionId, all: readonly Step[]): Promise<Model> {
  const model = new Model();
  let call: { readonly change: Change; readonly ok: boolean }[] = [];
  for (const [at, step] of all.entries()) {
    call.push(model.change(c, step));
    if (step.withNext && at + 1 < all.length) continue;
    const results = await bucket.commit(call.map(({ change }) => change));
    assert.deepEqual(
      results.map(({ ok }) => ok),
      call.map(({ ok }) => ok),
    );
    call = [];
  }
  return model;
}

async function checkFeeds(bucket: Bucket, c: CollectionId, model: Model): Promise<void> {
  const shape = (row: ChannelRow): string =>
    `${row.seq} ${row.key} ${row.channel} ${(row.flags & FLAG.removed) !== 0}`;
  for (const channels of [['a'], ['b', 'a'], [...CHANNELS], ['none', 'd']]) {
    for (const limit of [1, 3, 1000]) {
      const rows: ChannelRow[] = [];
      for (let from = seq(0); ;) {
        const options = { after: from, limit, bodies: true };
        const page = await bucket.readChannels(channelRequest(c, channels, options));
        rows.push(...page.rows);
        from = page.scannedTo;
        if (from >= page.lastSequence) break;
      }
      assert.deepEqual(rows.map(shape), model.rows(channels));
      for (const row of rows) {
        const stored = model.documents.get(row.key);
        const current = stored?.seq === row.seq && (row.flags & FLAG.removed) === 0;
        assert.equal(row.body, current ? stored.body : null);
      }
    }
  }
}

async function checkHistory(bucket: Bucket, model: Model): Promise<void> {
  if (model.last === 0) return;
  const stop = new AbortController();
  const told: string[] = [];
  for await (const page of bucket.mutations(seq(0), stop.signal)) {
    for (const mutation of page.mutations) {
      if (mutation.kind === 'access') told.push(`${mutation.seq} ${mutation.principal}`);
      else {
        const { channels, removed } = mutation;
        const [inside, out] = [channels.toSorted(), removed.toSorted()];
        told.push(`${mutation.seq} ${mutation.key} ${inside.join()} ${out.join()}`);
      }
    }
    if (page.upTo >= model.last) stop.abort();
  }
  const expected = [...model.versions].map(([user, at]) => `${at} ${user}`);
  for (const [key, stored] of model.documents) {
    const at = [...stored.entries].filter(([, entry]) => entry.seq === stored.seq);
    const names = (out: boolean): string =>
      at
        .filter(([, entry]) => entry.out === out)
        .map(([channel]) => channel)
        .sort()
        .join();
    expected.push(`${stored.seq} ${key} ${names(false)} ${names(true)}`);
  }
  assert.deepEqual(told.toSorted(), expected.toSorted());
  const seqs = told.map((text) => Number.parseInt(text, 10));
  assert.deepEqual(
    seqs,
    seqs.toSorted((x, y) => x - y),
  );
}

async function checkAccess(bucket: Bucket, model: Model): Promise<void> {
  const told: string[] = [];
  for (const user of USERS) {
    const { principals, asOf } = await bucket.readAccess('db', user);
    assert.equal(asOf, model.last as Sequence);
    assert.equal(principals[0]?.accessVersion, model.versions.get(user) ?? 0);
    for (const { target, source, from, until } of principals[0]?.grants ?? []) {
      told.push(`${user} ${target} ${source} ${from}-${until}`);
    }
  }
  const held = [...model.grants].map(([name, from]) => `${name} ${from}-0`);
  assert.deepEqual(told.toSorted(), [...held, ...model.ended].toSorted());
}

test('after any commits, documents, feeds, history and grants are as a simple model says', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      buckets += 1;
      await using bucket = await server.open(`b${buckets}`, { create: true });
      const c = await bucket.openCollection('_default._default');
      const model = await run(bucket, c, all);
      assert.equal(await bucket.lastSequence(), model.last);
      const found = await bucket.scan(c, { limit: 100, bodies: true });
      const shape = found.map(({ key, body, metadata }) => [key, body, metadata?.rev]);
      const expected = [...model.documents].map(([key, { body, rev }]) => [key, body, rev]);
      const byKey = (x: (typeof expected)[number], y: (typeof expected)[number]): number =>
        String(x[0]) < String(y[0]) ? -1 : 1;
      assert.deepEqual(shape, expected.toSorted(byKey));
      await checkFeeds(bucket, c, model);
      await checkHistory(bucket, model);
      await checkAccess(bucket, model);
    }),
    { numRuns: 40 },
  );
});
