import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../bucket/bucket.ts';
import { SqliteServer } from '../bucket/sqlite/sqlite-server.ts';
import { silentLog } from '../observability/log.ts';
import { must } from '../util/assert.ts';
import { systemClock } from '../util/clock.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { ClusterMember } from './cluster-member.ts';

async function testBucket(): Promise<AsyncDisposable & { readonly bucket: Bucket }> {
  await using opening = new AsyncDisposableStack();
  const options = { log: silentLog, clock: systemClock };
  const server = opening.use(await SqliteServer.inMemory(options));
  const bucket = opening.use(await server.open('cluster', { create: true }));
  const open = opening.move();
  return { bucket, [Symbol.asyncDispose]: async () => await open.disposeAsync() };
}

function member(bucket: Bucket, nodeId: string, clock = systemClock): ClusterMember {
  return new ClusterMember({ bucket, nodeId, clock, log: silentLog });
}

test('work is held by one member, and by the next when it is given back', async () => {
  await using opened = await testBucket();
  await using a = member(opened.bucket, 'a');
  await using b = member(opened.bucket, 'b');
  const held = must(await a.hold('work/1'), 'nobody has it');
  assert.equal(await b.hold('work/1'), undefined);
  assert.equal(await b.isHeld('work/'), true);
  await held[Symbol.asyncDispose]();
  assert.equal(await b.isHeld('work/'), false);
  await using taken = must(await b.hold('work/1'), 'it was given back');
  assert.equal(taken.lost.aborted, false);
  assert.equal(held.lost.aborted, true);
});

test('members are heard of, until they leave', async () => {
  await using opened = await testBucket();
  await using a = member(opened.bucket, 'a');
  const b = member(opened.bucket, 'b');
  while ((await a.nodes()).length < 2) await systemClock.sleep(5);
  assert.deepEqual(await a.nodes(), ['a', 'b']);
  await b[Symbol.asyncDispose]();
  assert.deepEqual(await a.nodes(), ['a']);
});

test('a member that cannot renew in time counts its work as lost', async () => {
  await using opened = await testBucket();
  const clock = new DrivenClock();
  await using a = member(opened.bucket, 'a', clock);
  const held = must(await a.hold('work/1'), 'nobody has it');
  // Another process took it meanwhile: the next renewal tells.
  await opened.bucket.leases.end([held.lease]);
  const lost = new Promise((resolve) => {
    held.lost.addEventListener('abort', resolve);
  });
  while (!held.lost.aborted) {
    clock.advance(2000);
    await systemClock.sleep(1);
  }
  await lost;
  assert.equal(await a.isHeld('work/'), false);
});
