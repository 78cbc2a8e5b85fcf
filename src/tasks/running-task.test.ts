import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestRegistries } from '../database/test-registries.ts';
import { silentLog } from '../observability/log.ts';
import { systemClock } from '../util/clock.ts';
import { openBucketOf } from './open-bucket-of.ts';
import { wholePart } from './plan-parts.ts';
import { takePart } from './running-task.ts';
import { NO_COUNTS } from './task-state.ts';
import { TaskStore } from './task-store.ts';

test('parts of a later phase wait for all of the earlier, and what is aside counts for nothing', async () => {
  await using opened = await openTestRegistries();
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const { member } = openBucketOf(registry.served('db'));
  const store = new TaskStore(opened.bucket, { database: 'db', task: 'test' });
  await store.addParts('run', 0, ['late', 'a', 'b', 'c'].map(wholePart));
  await store.write(
    {
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
    },
    'absent',
  );
  const events: string[] = [];
  await takePart({
    store,
    member,
    databaseCreatedAt: 'then',
    clock: systemClock,
    log: silentLog,
    signal: new AbortController().signal,
    inTrouble: () => undefined,
    work: {
      phaseOf: ({ collection }) => (collection === 'late' ? 1 : 0),
      read: async ({ collection }) => {
        events.push(`${collection} begins`);
        await systemClock.sleep(5);
        events.push(`${collection} ends`);
        return { items: [{ key: 'x' }, { key: 'y', isAside: true }], last: undefined };
      },
    },
  });
  assert.deepEqual(events.slice(-2), ['late begins', 'late ends']);
  assert.equal(events.length, 8);
  const state = (await store.read('then'))?.state;
  assert.deepEqual(
    [state?.status, state?.counts],
    ['completed', { processed: 4, changed: 0, errored: 0 }],
  );
});
