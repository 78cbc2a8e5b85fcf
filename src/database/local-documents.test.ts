import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { openTestCollection } from './test-collection.ts';

test('a local document counts its writes and keeps numbers as they were sent', async () => {
  await using opened = await openTestCollection();
  const { local } = opened.collection;
  assert.deepEqual(await local.put('cp', '{"at":1.0}'), { rev: '0-1' });
  assert.deepEqual(await local.put('cp', '{"_rev":"0-1","at":12345678901234567890}'), {
    rev: '0-2',
  });
  const read = await local.get('cp');
  assert.equal(read.text, '{"_id":"_local/cp","_rev":"0-2","at":12345678901234567890}');
});

test('of two writes on one revision one is made', async () => {
  await using opened = await openTestCollection();
  const { local } = opened.collection;
  await local.put('cp', '{}');
  const both = await Promise.allSettled([
    local.put('cp', '{"_rev":"0-1","n":1}'),
    local.put('cp', '{"_rev":"0-1","n":2}'),
  ]);
  const failed = both.filter((one) => one.status === 'rejected');
  assert.equal(failed.length, 1);
  assert(isGatewayError(failed[0]?.reason, 'conflict'));
});

test('a local document that nobody writes is gone after its time', async () => {
  await using opened = await openTestCollection({ local_doc_expiry_secs: 60 });
  const { local } = opened.collection;
  await local.put('cp', '{}');
  opened.clock.advance(61);
  await opened.bucket.removeExpired(Math.floor(opened.clock.now() / 1000), 3600);
  await assert.rejects(local.get('cp'), (cause) => isGatewayError(cause, 'missing'));
});

test('a body that is no object, or an id that is too long, is refused', async () => {
  await using opened = await openTestCollection();
  const { local } = opened.collection;
  await assert.rejects(local.put('cp', '[1]'), (cause) => isGatewayError(cause, 'badRequest'));
  await assert.rejects(local.put('x'.repeat(251), '{}'), (cause) =>
    isGatewayError(cause, 'badRequest'),
  );
});
