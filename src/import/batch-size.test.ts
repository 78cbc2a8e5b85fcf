import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSize } from './batch-size.ts';

test('batches are as large as functions allow in a second, and grow again', () => {
  const size = new BatchSize();
  assert.equal(size.now, 32);
  for (let n = 0; n < 4; n++) size.learn({ documents: size.now, broken: 0, elapsedMs: 10 });
  assert.equal(size.now, 250);
  assert.equal(size.learn({ documents: 250, broken: 0, elapsedMs: 10_000 }), 0);
  assert.equal(size.now, 25);
  size.learn({ documents: 1, broken: 0, elapsedMs: 60_000 });
  assert.equal(size.now, 1);
  for (let n = 0; n < 10; n++) size.learn({ documents: size.now, broken: 0, elapsedMs: 10 });
  assert.equal(size.now, 250);
});

test('after a batch that a function broke on slowly there is a pause', () => {
  const size = new BatchSize();
  assert.equal(size.learn({ documents: 250, broken: 250, elapsedMs: 20 }), 0, 'it throws at once');
  assert.equal(size.learn({ documents: 10, broken: 5, elapsedMs: 2000 }), 0);
  assert.equal(size.learn({ documents: 10, broken: 6, elapsedMs: 2000 }), 6000);
  assert.equal(size.learn({ documents: 1, broken: 1, elapsedMs: 60_000 }), 10_000);
});
