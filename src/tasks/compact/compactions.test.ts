import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Collection } from '../../database/collection.ts';
import type { ServedDatabase } from '../../database/served-database.ts';
import { openTestRegistries } from '../../database/test-registries.ts';
import { systemClock } from '../../util/clock.ts';
import { DrivenClock } from '../../util/driven-clock.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { CompactionView } from './compactions.ts';
import { Compactions } from './compactions.ts';

const DAY_MS = 24 * 3600 * 1000;
const ADMIN = { kind: 'admin' } as const;
const { signal } = new AbortController();

async function putAndDelete(collection: Collection, id: string): Promise<void> {
  const { rev } = await collection.update(ADMIN, id, { text: '{}', newEdits: true, signal });
  await collection.remove(ADMIN, id, { rev, signal });
}

async function ended(compactions: Compactions, served: ServedDatabase): Promise<CompactionView> {
  for (;;) {
    const view = await compactions.status(served);
    if (view.status !== 'running') return view;
    await systemClock.sleep(5);
  }
}

test('tombstones go when they are 30 days old, and with them all that was known', async () => {
  const clock = new DrivenClock();
  await using opened = await openTestRegistries({ clock });
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  const served = registry.served('db');
  const collection = served.current.collection(undefined);
  await putAndDelete(collection, 'old');
  await collection.update(ADMIN, 'living', { text: '{}', newEdits: true, signal });
  clock.advance(20 * DAY_MS);
  await putAndDelete(collection, 'young');
  clock.advance(11 * DAY_MS);

  const compactions = new Compactions(clock);
  assert.equal((await compactions.status(served)).start_time, '0001-01-01T00:00:00Z');
  await compactions.start(served, { reset: false });
  const view = await ended(compactions, served);
  assert.partialDeepStrictEqual(view, { status: 'completed', docs_purged: 1, last_error: '' });
  const id = await opened.bucket.openCollection('_default._default');
  const left = await opened.bucket.scan(id, { limit: 10, bodies: false });
  assert.deepEqual(
    left.map(({ key }) => key),
    ['living', 'young'],
  );
  await assert.rejects(
    compactions.stop(served),
    (cause) => isGatewayError(cause, 'badRequest') && /no compact_tombstone/.test(cause.message),
  );
});
