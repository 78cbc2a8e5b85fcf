import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGatewayError } from '../util/errors.ts';
import type { Cas, DocId, Sequence } from '../document/types.ts';
import type { Change, CollectionId, CommitResult, RecordChange } from './bucket.ts';
import { GROUP_LIMITS, GroupCommit, type WriteGroup } from './group-commit.ts';

const record = (id: string, value = ''): RecordChange => ({
  kind: 'record',
  record: { kind: 'k', database: '', id },
  value,
  expiry: 0,
});
const result: CommitResult = { ok: true, cas: 1 as Cas, seq: 0 as Sequence };
const ids = (changes: readonly Change[]): string =>
  changes.map((change) => (change.kind === 'record' ? change.record.id : '?')).join('+');

/** A store that writes a group when it is told to. */
class Disk {
  readonly groups: string[] = [];
  #waiting: (() => void)[] = [];
  readonly write: WriteGroup = async (calls) => {
    this.groups.push(calls.map(ids).join(' '));
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    return calls.map((changes) => changes.map(() => result));
  };

  /** Resolves when so many groups have begun. */
  async begun(count: number): Promise<void> {
    while (this.groups.length < count) await new Promise((resolve) => setImmediate(resolve));
  }

  finish(): void {
    this.#waiting.shift()?.();
  }
}

test('commits of one turn are one group, and the next forms while it is written', async () => {
  const disk = new Disk();
  const commits = new GroupCommit(disk.write);
  const all = [commits.commit([record('a'), record('b')]), commits.commit([record('c')])];
  await disk.begun(1);
  all.push(commits.commit([record('d')]), commits.commit([record('e')]));
  disk.finish();
  await disk.begun(2);
  disk.finish();
  assert.deepEqual(disk.groups, ['a+b c', 'd e']);
  assert.deepEqual(
    (await Promise.all(all)).map((results) => results.length),
    [2, 1, 1, 1],
  );
});

test('a group has bounds, in changes and in bytes', async () => {
  const disk = new Disk();
  const limits = { ...GROUP_LIMITS, groupChangesMax: 3, groupBytesMax: 100 };
  const commits = new GroupCommit(disk.write, limits);
  const big = 'x'.repeat(100);
  const all = ['a', 'b', 'c', 'd'].map(async (id) => await commits.commit([record(id)]));
  all.push(commits.commit([record('E', big)]), commits.commit([record('f')]));
  for (const count of [1, 2, 3]) {
    await disk.begun(count);
    disk.finish();
  }
  await Promise.all(all);
  assert.deepEqual(disk.groups, ['a b c', 'd E', 'f']);
});

test('past its limits a commit is unavailable at once, and later ones are taken again', async () => {
  const disk = new Disk();
  const limits = { ...GROUP_LIMITS, waitingChangesMax: 2, waitingBytesMax: 100 };
  const commits = new GroupCommit(disk.write, limits);
  const first = commits.commit([record('a')]);
  await disk.begun(1);
  const waiting = [commits.commit([record('b')])];
  const refused = (cause: unknown): boolean => isGatewayError(cause, 'unavailable');
  await assert.rejects(commits.commit([record('c'), record('d')]), refused);
  await assert.rejects(commits.commit([record('c', 'x'.repeat(101))]), refused);
  waiting.push(commits.commit([record('e')]));
  disk.finish();
  await disk.begun(2);
  disk.finish();
  await Promise.all([first, ...waiting]);
  const alone = commits.commit([record('large', 'x'.repeat(500))]);
  await disk.begun(3);
  disk.finish();
  await alone;
});

test('a call of a group fails alone, a group that fails fails for all, and it goes on', async () => {
  let writes = 0;
  const commits = new GroupCommit(async (calls) => {
    writes += 1;
    await Promise.resolve();
    if (writes === 2) throw new Error('the store failed');
    return calls.map((changes) => (ids(changes) === 'bad' ? new Error('alone') : [result]));
  });
  const one = await Promise.allSettled([
    commits.commit([record('bad')]),
    commits.commit([record('a')]),
  ]);
  assert.deepEqual(
    one.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
  const two = await Promise.allSettled([
    commits.commit([record('a')]),
    commits.commit([record('b')]),
  ]);
  assert.deepEqual(
    two.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.deepEqual(await commits.commit([record('a')]), [result]);
});

test('drain waits for what was asked before', async () => {
  const disk = new Disk();
  const commits = new GroupCommit(disk.write);
  const purge = { kind: 'purge', collection: 1 as CollectionId, key: 'k' as DocId } as const;
  const all = [commits.commit([purge])];
  await disk.begun(1);
  all.push(commits.commit([record('b')]));
  const order: string[] = [];
  void Promise.all(all).then(() => order.push('written'));
  const drained = commits.drain().then(() => order.push('drained'));
  disk.finish();
  await disk.begun(2);
  disk.finish();
  await drained;
  assert.deepEqual(order.toSorted(), ['drained', 'written']);
});
