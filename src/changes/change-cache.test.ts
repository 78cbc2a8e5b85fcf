import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Bucket, MutationPage } from '../bucket/bucket.ts';
import { sequence, ZERO, type Sequence } from '../document/types.ts';
import { silentLog } from '../observability/log.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { ChangeCache } from './change-cache.ts';
import type { ChangesFeed } from './changes-feed.ts';
import { missedRemovals, untoldSequences } from './missed-removals.ts';
import { drain, openTestFeeds, type TestFeeds } from './test-feeds.ts';

const LIMIT_MS = 5000;

/** Whether the wait of the feed ends before `until` has happened to the cache. */
async function wakes(db: TestFeeds, feed: ChangesFeed, until: Promise<unknown>): Promise<boolean> {
  const abort = new AbortController();
  let woken = false;
  const waiting = feed.wait(abort.signal).then(() => (woken = !abort.signal.aborted));
  await until;
  await db.cache.atLeast(await db.bucket.lastSequence(), AbortSignal.timeout(LIMIT_MS));
  await new Promise(setImmediate);
  abort.abort();
  await waiting;
  return woken;
}

async function caughtUp(db: TestFeeds): Promise<void> {
  await db.cache.atLeast(await db.bucket.lastSequence(), AbortSignal.timeout(LIMIT_MS));
}

test('a feed is woken by its channels and principals, and by nothing else', async () => {
  await using db = await openTestFeeds();
  await db.role('band', ['stage']);
  await db.user('lea', ['bar'], ['band']);
  await db.user('tom', []);
  await db.put('v1', ['bar']);
  await caughtUp(db);
  using feed = db.feed('lea');
  await drain(feed);
  assert.equal(await wakes(db, feed, db.put('other', ['elsewhere'])), false);
  assert.equal(await wakes(db, feed, db.user('tom', ['elsewhere'])), false);
  for (const change of [
    () => db.put('v2', ['bar']),
    () => db.put('v3', ['stage']),
    () => db.put('v4', ['!']),
    () => db.put('v1', ['elsewhere']),
    () => db.user('lea', ['bar', 'street'], ['band']),
    () => db.put('v5', ['street']),
    () => db.role('band', []),
    () => db.put('grant', [], { access: [{ to: 'lea', channel: 'attic' }] }),
  ]) {
    assert.equal(await wakes(db, feed, change()), true, String(change));
    await drain(feed);
  }
  assert.equal(await wakes(db, feed, db.put('v6', ['stage'])), false);
});

test('an administrator is woken by every document, with a filter by its channels', async () => {
  await using db = await openTestFeeds();
  using all = db.feed(undefined);
  using rain = db.feed(undefined, { channels: ['rain'] });
  await drain(all);
  await drain(rain);
  assert.equal(await wakes(db, all, db.put('w1')), true);
  await drain(all);
  await drain(rain);
  assert.equal(await wakes(db, rain, db.put('w2', ['sun'])), false);
  assert.equal(await wakes(db, rain, db.put('w3', ['rain'])), true);
});

test('a waiting feed ends its wait when it is told to', async () => {
  await using db = await openTestFeeds();
  using feed = db.feed(undefined);
  const abort = new AbortController();
  const pages = feed.pages(abort.signal, { follow: true });
  assert.equal((await pages.next()).value?.caughtUp, true);
  const next = pages.next();
  abort.abort();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test('a following feed gets each change as it comes, in the order of commits', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a', 'b']);
  const abort = new AbortController();
  using feed = db.feed('ann');
  const told: string[] = [];
  const reading = (async () => {
    for await (const { rows } of feed.pages(abort.signal, { follow: true })) {
      for (const { id, removed, gone } of rows)
        told.push(`${id}${removed.join()}${gone ? '!' : ''}`);
      if (told.length >= 6) return;
    }
  })();
  await db.put('k1', ['a']);
  await caughtUp(db);
  await db.put('k2', ['b', 'a']);
  await caughtUp(db);
  await db.put('k2', ['b']);
  await caughtUp(db);
  await db.put('k1', ['c']);
  await caughtUp(db);
  await db.put('k3', ['b']);
  await reading;
  assert.deepEqual(told, ['_user/ann', 'k1', 'k2', 'k2a', 'k1a!', 'k3']);
});

test('a row of two feeds is made once', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  await db.user('ben', ['a', 'b']);
  using ann = db.feed('ann');
  using ben = db.feed('ben');
  await drain(ann);
  await drain(ben);
  await db.put('k1', ['a']);
  await caughtUp(db);
  assert.equal((await drain(ann)).at(0), (await drain(ben)).at(0));
});

test('feeds of a user that stand at one place are told one page, read by each in its own way', async () => {
  await using db = await openTestFeeds();
  await db.user('lea', ['bar']);
  await db.put('v1', ['bar']);
  await caughtUp(db);
  const { signal } = new AbortController();
  const feeds = [db.feed('lea'), db.feed('lea'), db.feed('lea', { activeOnly: true })];
  for (const feed of feeds) await drain(feed);
  await db.put('v2', ['bar']);
  await db.remove('v1', ['bar']);
  await caughtUp(db);
  const pages = await Promise.all(feeds.map((feed) => feed.nextPage(signal)));
  const [first, second, active] = pages.map(({ rows }) => rows);
  assert.equal(first, second);
  assert.deepEqual(
    [first?.map(({ id }) => id), active?.map(({ id }) => id)],
    [['v2', 'v1'], ['v2']],
  );
});

test('who lost a channel between two turns is told none of what a neighbour was', async () => {
  await using db = await openTestFeeds();
  await db.user('lea', ['bar']);
  const { signal } = new AbortController();
  const [early, late] = [db.feed('lea'), db.feed('lea')];
  for (const feed of [early, late]) await drain(feed);
  await db.put('v1', ['bar']);
  await caughtUp(db);
  assert.deepEqual(
    (await early.nextPage(signal)).rows.map(({ id }) => id),
    ['v1'],
  );
  await db.user('lea', ['street']);
  const { rows } = await late.nextPage(signal);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['_user/lea'],
  );
});

test('a channel that was left between two revisions of one commit is told', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  await db.put('k1', ['a']);
  await caughtUp(db);
  using feed = db.feed('ann');
  await drain(feed);
  assert.equal(await wakes(db, feed, db.putTwice('k1', ['b'], ['b', 'c'])), true);
  const rows = await drain(feed);
  assert.deepEqual(
    rows.map(({ id, removed, gone }) => ({ id, removed, gone })),
    [{ id: 'k1', removed: ['a'], gone: true }],
  );
});

test('sequences that a page does not tell are found, and what they removed', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', []);
  await db.put('k1', ['a', 'b'], { access: [{ to: 'ann', channel: 'b' }] });
  await db.put('k2', ['a']);
  // The grant ends here: the page tells the user at this sequence, and not the document.
  await db.put('k1', ['b']);
  await db.remove('k1');
  await db.put('k1', ['c']);
  const page = await firstPage(db.bucket, ZERO);
  const untold = untoldSequences(page, ZERO);
  assert.deepEqual(
    page.mutations.map(({ kind, seq }) => [kind, seq]),
    [
      ['document', 3],
      ['access', 4],
      ['document', 6],
    ],
  );
  assert.deepEqual([...untold], [1, 2, 4, 5]);
  const missed = await missedRemovals(db.bucket, page, untold);
  assert.deepEqual(
    missed
      .toSorted((a, b) => a.seq - b.seq)
      .map((one) => one.kind === 'document' && [one.seq, one.key, one.flags, one.removed]),
    [
      [4, 'k1', 2, ['a']],
      [5, 'k1', 3, ['b']],
    ],
  );
});

test('who is told of many changes at once misses nothing that a document left meanwhile', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  await db.put('k1', ['a']);
  const open = Promise.withResolvers<void>();
  await using cache = await ChangeCache.start({
    bucket: withMethods(db.bucket, {
      async *mutations(since, signal) {
        await open.promise;
        yield* db.bucket.mutations(since, signal);
      },
    }),
    log: silentLog,
    clock: systemClock,
  });
  const since = await db.bucket.lastSequence();
  const left = (await db.put('k1', ['b'])).seq;
  const others = Array.from({ length: 400 }, (_, i) => `k${i + 2}`);
  for (let round = 0; round < 3; round += 1) await Promise.all(others.map((key) => db.put(key)));
  await db.put('k1', ['b']);
  open.resolve();
  await cache.atLeast(await db.bucket.lastSequence(), AbortSignal.timeout(LIMIT_MS));
  const channels = ['a'];
  const interest = { collection: db.collection, channels, principals: [] };
  assert.equal(cache.mayHaveChanged(interest, since), true);
  const request = { collection: db.collection, channels, after: since, limit: 10 };
  const page = cache.read({ ...request, bodies: false, branches: false });
  // Nothing: the bucket knows.
  assert.deepEqual(page?.rows.map(({ seq }) => seq) ?? [left], [left]);
});

async function firstPage(bucket: Bucket, since: Sequence): Promise<MutationPage> {
  const abort = new AbortController();
  for await (const page of bucket.mutations(since, abort.signal)) {
    abort.abort();
    return page;
  }
  throw new Error('bug: there are mutations');
}

test('a poll with nothing new is answered without reading the index', async () => {
  await using db = await openTestFeeds();
  await db.user(
    'ann',
    Array.from({ length: 300 }, (_, i) => `c${i}`),
  );
  await db.put('k1', ['c7']);
  await caughtUp(db);
  using first = db.feed('ann');
  await drain(first);
  await db.put('other', ['elsewhere']);
  await caughtUp(db);
  const counted = countReads(db.bucket);
  await using quiet = await openTestFeeds({ bucket: counted.bucket });
  await quiet.put('more', ['elsewhere']);
  await caughtUp(quiet);
  const before = counted.reads();
  using poll = quiet.feed('ann', { since: { seq: await db.bucket.lastSequence() } });
  assert.deepEqual(await drain(poll), []);
  assert.equal(counted.reads(), before);
});

test('what was found unchanged is asked about anew after each change, and from earlier on', async () => {
  await using db = await openTestFeeds();
  const from = (await db.put('v1', ['bar'])).seq;
  await db.put('other', ['elsewhere']);
  await caughtUp(db);
  const interest = { collection: db.collection, channels: ['bar'], principals: [] };
  assert.equal(db.cache.mayHaveChanged(interest, from), false);
  assert.equal(db.cache.mayHaveChanged(interest, sequence(from - 1)), true);
  assert.equal(db.cache.mayHaveChanged(interest, from), false);
  await db.put('v2', ['bar']);
  await db.put('other', ['elsewhere']);
  await caughtUp(db);
  assert.equal(db.cache.mayHaveChanged(interest, from), true);
});

test('a feed that began with nothing new is told from memory what comes then', async () => {
  await using db = await openTestFeeds();
  await db.user('ann', ['a']);
  const counted = countReads(db.bucket);
  await using followed = await openTestFeeds({ bucket: counted.bucket });
  using feed = followed.feed('ann', { since: { seq: await db.bucket.lastSequence() } });
  assert.deepEqual(await drain(feed), []);
  await followed.put('k1', ['a']);
  await caughtUp(followed);
  assert.deepEqual(
    (await drain(feed)).map(({ id }) => id),
    ['k1'],
  );
  assert.equal(counted.reads(), 0);
});

/** The same bucket, whose methods may be replaced. */
function withMethods(bucket: Bucket, methods: Partial<Bucket>): Bucket {
  return new Proxy(bucket, {
    get: (target, name) => {
      const own: unknown = Reflect.get(methods, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function countReads(bucket: Bucket): { readonly bucket: Bucket; reads(): number } {
  let reads = 0;
  const counting = withMethods(bucket, {
    readChannels: (request) => {
      reads += 1;
      return bucket.readChannels(request);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  return { bucket: counting, reads: () => reads };
}

test('lost mutations are asked for again with growing pauses; the loss is seen', async () => {
  await using db = await openTestFeeds();
  let failures = 4;
  const failing = withMethods(db.bucket, {
    mutations: (since, signal) => {
      failures -= 1;
      if (failures >= 0) throw new GatewayError('unavailable', 'the bucket is away');
      return db.bucket.mutations(since, signal);
    },
    lastSequence: async () => {
      if (failures === 3) {
        failures -= 1;
        throw new GatewayError('unavailable', 'the bucket is away');
      }
      return await db.bucket.lastSequence();
    },
  });
  const pauses: number[] = [];
  const seen: (number | undefined)[] = [];
  const started: { cache?: ChangeCache } = {};
  const clock: Clock = {
    now: () => 1234,
    sleep: async (ms) => {
      pauses.push(ms);
      await new Promise(setImmediate);
      seen.push(started.cache?.lost?.sinceMs);
    },
  };
  await using cache = await ChangeCache.start({ bucket: failing, log: silentLog, clock });
  started.cache = cache;
  const { seq } = await db.put('k1', ['a']);
  await cache.atLeast(seq, AbortSignal.timeout(LIMIT_MS));
  assert.equal(cache.caughtUpTo, seq);
  assert.equal(cache.lost, undefined);
  assert.deepEqual(
    pauses,
    pauses.toSorted((a, b) => a - b),
  );
  assert.ok(pauses.length >= 2 && (pauses[0] ?? 0) < (pauses.at(-1) ?? 0));
  assert.ok(seen.every((since) => since === 1234));
});

test('a wait for a sequence ends with its signal, and with the cache', async () => {
  await using db = await openTestFeeds();
  const abort = new AbortController();
  const waits = [db.cache.atLeast(sequence(99), abort.signal)];
  abort.abort();
  await Promise.all(waits);
  const cache = await ChangeCache.start({ bucket: db.bucket, log: silentLog, clock: systemClock });
  const last = cache.atLeast(sequence(99), new AbortController().signal);
  await cache[Symbol.asyncDispose]();
  await last;
  assert.equal(cache.caughtUpTo, 0);
});

test('far more changes than a page holds wake a follower and lose nothing', async () => {
  await using db = await openTestFeeds({ tailBytesMax: 50_000 });
  await db.user('ann', ['a']);
  using feed = db.feed('ann');
  const abort = new AbortController();
  const held = new Set<string>();
  const reading = (async () => {
    for await (const { rows } of feed.pages(abort.signal, { follow: true })) {
      for (const { id, gone } of rows)
        if (gone) held.delete(id);
        else held.add(id);
      if (held.has('last')) return;
    }
  })();
  const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
  for (let round = 0; round < 4; round += 1) {
    const channels = (i: number): readonly string[] => ((i + round) % 2 === 0 ? ['a'] : ['b']);
    await Promise.all(keys.map((key, i) => db.put(key, channels(i))));
  }
  await db.put('last', ['a']);
  await reading;
  const expected = keys.filter((_, i) => (i + 3) % 2 === 0);
  assert.deepEqual([...held].toSorted(), ['_user/ann', 'last', ...expected].toSorted());
});
