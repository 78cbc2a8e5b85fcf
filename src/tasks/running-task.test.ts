import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestRegistries } from '../database/test-registries.ts';
import { silentLog } from '../observability/log.ts';
import { must } from '../util/assert.ts';
import { systemClock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { openBucketOf } from './open-bucket-of.ts';
import { wholePart } from './plan-parts.ts';
import type { RunningTask } from './running-task.ts';
import { takePart } from './running-task.ts';
import type { TaskState } from './task-state.ts';
import { NO_COUNTS } from './task-state.ts';
import type { StoredTask } from './task-store.ts';
import { TaskStore } from './task-store.ts';

const STATE: TaskState = {
  run: 'run',
  databaseCreatedAt: 'then',
  status: 'running',
  startTime: '',
  goingSince: { ms: 0, processed: 0 },
  lastError: '',
  asked: null,
  targeted: 0,
  counts: NO_COUNTS,
  errors: [],
};

interface TestTasks extends AsyncDisposable {
  readonly store: TaskStore;
  readonly member: RunningTask['member'];
  /** Writes a run with these parts over what is there, as it begins. */
  begin(run: string, parts: readonly string[]): Promise<StoredTask>;
  take(task: StoredTask, work: RunningTask['work']): Promise<void>;
}

async function openTasks(): Promise<TestTasks> {
  await using opening = new AsyncDisposableStack();
  const opened = opening.use(await openTestRegistries());
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const { member } = openBucketOf(registry.served('db'));
  const store = new TaskStore(opened.bucket, { database: 'db', task: 'test' });
  const open = opening.move();
  return {
    store,
    member,
    begin: async (run, parts) => {
      await store.addParts(run, 0, parts.map(wholePart));
      const task = await store.write({ ...STATE, run }, await store.version());
      return must(task, 'nobody else writes it');
    },
    take: (task, work) =>
      takePart({
        store,
        task,
        work,
        member,
        clock: systemClock,
        log: silentLog,
        signal: new AbortController().signal,
        inTrouble: () => undefined,
      }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

test('parts of a later phase wait for all of the earlier, and what is aside counts for nothing', async () => {
  await using tasks = await openTasks();
  const task = await tasks.begin('run', ['late', 'a', 'b', 'c']);
  const events: string[] = [];
  await tasks.take(task, {
    phaseOf: ({ collection }) => (collection === 'late' ? 1 : 0),
    read: async ({ collection }) => {
      events.push(`${collection} begins`);
      await systemClock.sleep(5);
      events.push(`${collection} ends`);
      return { items: [{ key: 'x' }, { key: 'y', isAside: true }], last: undefined };
    },
  });
  assert.deepEqual(events.slice(-2), ['late begins', 'late ends']);
  assert.equal(events.length, 8);
  const state = (await tasks.store.read('then'))?.state;
  assert.deepEqual(
    [state?.status, state?.counts],
    ['completed', { processed: 4, changed: 0, errored: 0 }],
  );
});

test('who has joined a run takes no part in the one after it', async () => {
  await using tasks = await openTasks();
  const { store, member } = tasks;
  const first = await tasks.begin('first', ['a']);
  // Somebody else has its only part.
  await using held = must(
    await member.hold(store.lease(`${store.prefix('first')}0000000`)),
    'free',
  );
  const read: string[] = [];
  const taking = tasks.take(first, {
    read: async ({ collection }) => {
      read.push(collection);
      return Promise.resolve({ items: [], last: undefined });
    },
  });
  const second = await tasks.begin('second', ['b']);
  await taking;
  assert.deepEqual(read, []);
  assert.equal(held.lost.aborted, false);
  assert.deepEqual(await store.read('then'), second);
  assert.equal((await store.parts('second'))[0]?.part.done, false);
});

test('who has missed the end of a run does nothing to the one after it', async () => {
  await using tasks = await openTasks();
  const { store } = tasks;
  const first = await tasks.begin('first', ['a']);
  let second: StoredTask | undefined;
  // As a process that was paused: the other run begins while it reads, and then it fails.
  await tasks.take(first, {
    read: async () => {
      second ??= await tasks.begin('second', ['b']);
      throw new GatewayError('conflict', 'another function');
    },
  });
  assert.notEqual(second, undefined);
  assert.deepEqual(await store.read('then'), second);

  const third = await tasks.begin('third', ['c']);
  const completed = must(
    await store.write({ ...third.state, status: 'completed' }, third.cas),
    'it is',
  );
  await tasks.begin('fourth', ['d']);
  await store.removeParts(third);
  await store.removeParts(completed);
  assert.equal((await store.parts('fourth')).length, 1);
});
