import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../bucket/bucket.ts';
import type { Cas } from '../document/types.ts';
import { must } from '../util/assert.ts';
import {
  functionResynced,
  functionStored,
  functionValue,
  routedByOlderUpTo,
} from './function-history.ts';
import { functionRecord } from './open-collections.ts';
import { openTestRegistries } from './test-registries.ts';

const OF = functionRecord('db', '_default._default');

async function put(bucket: Bucket, source: string): Promise<Cas> {
  const value = functionValue(source);
  const [result] = await bucket.commit([{ kind: 'record', record: OF, value, expiry: 0 }]);
  const committed = must(result, 'one result for each change');
  assert.ok(committed.ok);
  return committed.cas;
}

test('of a function that rules no more, nothing is noted', async () => {
  await using opened = await openTestRegistries();
  const { bucket } = opened;
  const registry = await opened.registry();
  await registry.create('db', { bucket: 'b' });
  await registry.served('db').current.principals.putRole('crew', {});
  const last = await bucket.lastSequence();
  assert.ok(last > 0);
  const first = await put(bucket, 'first');
  assert.equal(await routedByOlderUpTo(bucket, OF, 'first'), last, 'nothing is noted yet');
  await functionStored(bucket, OF, first);
  assert.equal(await routedByOlderUpTo(bucket, OF, 'first'), last);
  const second = await put(bucket, 'second');
  await functionStored(bucket, OF, second);
  await functionResynced(bucket, OF, second);
  assert.equal(await routedByOlderUpTo(bucket, OF, 'second'), 0);
  // By a process that was paused meanwhile.
  await functionStored(bucket, OF, first);
  await functionResynced(bucket, OF, first);
  assert.equal(await routedByOlderUpTo(bucket, OF, 'second'), 0);
});
