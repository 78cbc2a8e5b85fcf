import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket, PrincipalKey } from '../../bucket/bucket.ts';
import { openTestPrincipals } from '../../principals/test-principals.ts';
import { isGatewayError } from '../../util/errors.ts';
import { regeneratePrincipals } from './regenerate-principals.ts';

const { signal } = new AbortController();
const NAMES = ['role:crew', 'role:desk', 'user:', 'user:ann', 'user:bob'] as PrincipalKey[];

async function sequences(bucket: Bucket): Promise<readonly number[]> {
  const all = await Promise.all(NAMES.map((name) => bucket.readAccess('db', name)));
  return all.map(({ principals }) => principals[0]?.record?.seq ?? 0);
}

test('each user and role gets one new sequence in a run, however many processes are at it', async () => {
  await using opened = await openTestPrincipals();
  const { bucket, principals } = opened;
  await principals.putRole('crew', { admin_channels: ['a'] });
  await principals.putRole('desk', {});
  await principals.putUser('GUEST', { disabled: false });
  await principals.putUser('ann', { password: 'letmein', admin_roles: ['crew'] });
  await principals.putUser('bob', { password: 'letmein', admin_channels: ['b'] });
  await opened.grant('giver', [{ to: 'ann', channel: 'given' }]);
  const view = await principals.getUser('ann');
  const before = await bucket.lastSequence();
  const of = { database: 'db', run: 'first' };
  await Promise.all([1, 2, 3].map(() => regeneratePrincipals(bucket, of, signal)));
  const after = await sequences(bucket);
  assert.deepEqual(
    after.toSorted((a, b) => a - b),
    NAMES.map((_, at) => before + 1 + at),
  );
  assert.equal(await bucket.lastSequence(), before + NAMES.length);
  await regeneratePrincipals(bucket, of, signal);
  assert.deepEqual(await sequences(bucket), after, 'the run has done it');
  await regeneratePrincipals(bucket, { ...of, run: 'second' }, signal);
  assert.ok((await sequences(bucket)).every((seq, at) => seq > after[at]!));
  assert.deepEqual(await principals.getUser('ann'), view);
  assert.notEqual(await principals.verifyPassword('ann', 'letmein'), undefined);
  await assert.rejects(
    regeneratePrincipals(bucket, { ...of, run: 'third' }, AbortSignal.abort()),
    (cause) => isGatewayError(cause, 'unavailable'),
  );
});

test('a process that missed the end of its run changes nobody', async () => {
  await using opened = await openTestPrincipals();
  const { bucket, principals } = opened;
  await principals.putRole('crew', {});
  const record = { kind: 'task', database: 'db', id: 'resync' };
  const [begun] = await bucket.commit([{ kind: 'record', record, value: '1', expiry: 0 }]);
  assert.ok(begun?.ok);
  const ifRecord = { record, cas: begun.cas };
  await bucket.commit([{ kind: 'record', record, value: '2', expiry: 0 }]);
  const before = await bucket.lastSequence();
  await assert.rejects(
    regeneratePrincipals(bucket, { database: 'db', run: 'first', ifRecord }, signal),
    (cause) => isGatewayError(cause, 'unavailable') && /over/.test(cause.message),
  );
  assert.equal(await bucket.lastSequence(), before);
});
