import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { FeedPace } from './feed-pace.ts';
import { FeedTimer } from './feed-timer.ts';
import { Ticker } from './ticker.ts';

/** Time that passes when the test says so. */
class ManualClock implements Clock {
  #now = 1_000_000;
  #sleeping: { readonly until: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => this.#sleeping.push({ until: this.#now + ms, wake }));
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.#now += 10;
      const due = this.#sleeping.filter(({ until }) => until <= this.#now);
      this.#sleeping = this.#sleeping.filter((sleeper) => !due.includes(sleeper));
      for (const { wake } of due) wake();
      await turn();
    }
  }
}

test('an idle feed has its turn at once, and the next one after the gap', async () => {
  const clock = new ManualClock();
  const pace = new FeedPace(clock);
  await pace.turn();
  let second = false;
  const waiting = pace.turn().then(() => (second = true));
  await turn();
  assert.equal(second, false);
  await clock.pass(1_000);
  await waiting;
  assert.equal(second, true);
});

test('few feeds have their turns in a faster rhythm than many', async () => {
  const clock = new ManualClock();
  const pace = new FeedPace(clock);
  const feeds = (count: number) => Promise.all(Array.from({ length: count }, () => pace.turn()));
  const waitFor = async (turns: Promise<unknown>): Promise<number> => {
    const startedMs = clock.now();
    let isOver = false;
    void turns.then(() => (isOver = true));
    while (!isOver) await clock.pass(10);
    return clock.now() - startedMs;
  };
  await pace.turn();
  await waitFor(feeds(1));
  assert((await waitFor(feeds(1))) <= 20);
  await waitFor(feeds(500));
  assert((await waitFor(feeds(1))) >= 40);
});

test('all who wait have the same turn', async () => {
  const clock = new ManualClock();
  const pace = new FeedPace(clock);
  await pace.turn();
  const order: number[] = [];
  const waiting = [1, 2, 3].map((n) => pace.turn().then(() => order.push(n)));
  await clock.pass(1_000);
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2, 3]);
});

function timer(
  clock: Clock,
  periods: { readonly heartbeatMs?: number; readonly timeoutMs?: number },
): { readonly timer: FeedTimer; readonly beats: () => number; readonly end: AbortController } {
  let beats = 0;
  const end = new AbortController();
  const made = new FeedTimer({
    ticker: new Ticker(clock),
    observer: { database: 'a', log: silentLog, metrics: createMetrics({ clock }) },
    heartbeatMs: periods.heartbeatMs ?? 0,
    timeoutMs: periods.timeoutMs ?? 0,
    endings: [end.signal],
    beat: () => (beats += 1),
  });
  return { timer: made, beats: () => beats, end };
}

test('a feed beats while nothing is sent', async () => {
  const clock = new ManualClock();
  const { timer: made, beats } = timer(clock, { heartbeatMs: 1_000 });
  await clock.pass(3_500);
  assert.equal(beats(), 3);
  made.sent();
  await clock.pass(900);
  assert.equal(beats(), 3);
  assert.equal(made.signal.aborted, false);
  made[Symbol.dispose]();
  await clock.pass(5_000);
  assert.equal(beats(), 3);
});

test('a feed ends when its timeout passes after the last row', async () => {
  const clock = new ManualClock();
  const { timer: made } = timer(clock, { timeoutMs: 1_000 });
  await clock.pass(800);
  made.sent();
  await clock.pass(800);
  assert.equal(made.signal.aborted, false);
  await clock.pass(600);
  assert.equal(made.signal.aborted, true);
  made[Symbol.dispose]();
});

test('a feed ends with any of its endings, also one that came before it', () => {
  const clock = new ManualClock();
  const { timer: made, end } = timer(clock, {});
  end.abort();
  assert.equal(made.signal.aborted, true);
  const late = new FeedTimer({
    ticker: new Ticker(clock),
    observer: { database: 'a', log: silentLog, metrics: createMetrics({ clock }) },
    heartbeatMs: 0,
    timeoutMs: 0,
    endings: [AbortSignal.abort()],
    beat: () => undefined,
  });
  assert.equal(late.signal.aborted, true);
});

test('a feed ends when the credentials that it was opened with do not hold any more', async () => {
  const clock = new ManualClock();
  let holds = true;
  let asked = 0;
  const made = new FeedTimer({
    ticker: new Ticker(clock),
    observer: { database: 'a', log: silentLog, metrics: createMetrics({ clock }) },
    heartbeatMs: 0,
    timeoutMs: 0,
    endings: [],
    beat: () => undefined,
    holds: () => {
      asked += 1;
      return Promise.resolve(holds);
    },
  });
  await clock.pass(61_000);
  assert.equal(asked, 2);
  assert.equal(made.signal.aborted, false);
  holds = false;
  await clock.pass(31_000);
  assert.equal(made.signal.aborted, true);
  assert.equal(made.lapsed, true);
  made[Symbol.dispose]();
});
