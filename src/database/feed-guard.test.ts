import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Bucket } from '../bucket/bucket.ts';
import { testServer } from '../bucket/sqlite/test-support.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { DatabaseStates } from './database-states.ts';
import { FeedGuard, feedLimits } from './feed-guard.ts';
import type { FeedTrouble } from './feed-state.ts';
import { requireUsable } from './feed-state.ts';
import { HeldBucket } from './held-bucket.ts';
import { OpenBuckets } from './open-buckets.ts';

const log = silentLog;
const DAY_MS = 24 * 3600 * 1000;

interface Guarded extends AsyncDisposable {
  readonly guard: FeedGuard;
  readonly held: HeldBucket;
  readonly bucket: Bucket;
  /** What it was given up for. */
  readonly givenUp: readonly FeedTrouble[];
  /** For how long the guard believes it to last. */
  readonly passes: (ms: number) => void;
  readonly locks: () => DatabaseSync;
}

/** A guard over an open bucket, of whose time as much passes as a test says. */
async function guarded(feed_lost_offline_secs: number | undefined): Promise<Guarded> {
  await using opening = new AsyncDisposableStack();
  const files = opening.use(await testServer({ busyTimeoutMs: 20 }));
  const { server } = files;
  const buckets = opening.use(new OpenBuckets({ server, log, clock: systemClock }));
  const created = await buckets.acquire('b', { create: true });
  const held = new HeldBucket(buckets, 'b');
  const { bucket } = await held.take();
  await buckets.release(created);
  let passedMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + passedMs };
  const observer = { database: 'db', log, metrics: createMetrics({ clock }) };
  const states = new DatabaseStates(observer, systemClock);
  states.enter('Online', 'it was opened');
  const givenUp: FeedTrouble[] = [];
  const guard = new FeedGuard({
    held,
    states,
    observer,
    clock,
    limits: () => feedLimits({ feed_lost_offline_secs }),
    giveUp: (trouble) => Promise.resolve(void givenUp.push(trouble)),
  });
  const parts = opening.move();
  return {
    guard,
    held,
    bucket,
    givenUp,
    passes: (ms) => void (passedMs += ms),
    locks: () => {
      const stranger = new DatabaseSync(path.join(files.path, 'b.sqlite'), { timeout: 5000 });
      stranger.exec('BEGIN EXCLUSIVE');
      return stranger;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const requireNow = ({ held }: Guarded): Promise<void> =>
  held.now === undefined ? assert.fail('it is held') : requireUsable(held.now);

const LOCKED = /locked by another process/;

test('a lock that only writes meet is told and waited for, where no limit is set', async () => {
  await using opened = await guarded(undefined);
  const { guard, bucket, givenUp, passes, locks } = opened;
  guard.check();
  assert.deepEqual(guard.state, { state: 'following' });
  const stranger = locks();
  await assert.rejects(requireNow(opened), { message: LOCKED });
  for (let days = 0; days < 3; days++) {
    guard.check();
    passes(DAY_MS);
    const { state } = guard;
    assert.equal(state.state, 'retrying');
    assert.match('reason' in state ? state.reason : '', LOCKED);
    assert.equal(await bucket.lastSequence(), 0, 'it can be read');
  }
  assert.deepEqual(givenUp, []);
  stranger.close();
  await requireNow(opened);
  assert.deepEqual(guard.state, { state: 'following' });
});

test('where a limit is set, a lock that lasts for longer is given up', async () => {
  await using opened = await guarded(60);
  const { guard, givenUp, passes, locks } = opened;
  using _ = locks();
  await assert.rejects(requireNow(opened), { message: LOCKED });
  passes(50_000);
  guard.check();
  assert.deepEqual(givenUp, []);
  passes(11_000);
  guard.check();
  assert.deepEqual(
    givenUp.map(({ reason, onlyWrites }) => [LOCKED.test(reason), onlyWrites]),
    [[true, true]],
  );
});
