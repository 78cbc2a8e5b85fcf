import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket, MutationPage } from '../bucket/bucket.ts';
import type { Cas } from '../document/types.ts';
import { sequence } from '../document/types.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { HandlerProgress } from './handler-progress.ts';
import type { HandlerPosition, StoredPosition } from './handler-positions.ts';

const BEGUN: StoredPosition = {
  seq: sequence(10),
  coveredUpTo: sequence(10),
  sinceSecs: 100,
  told: [],
  cas: 1 as Cas,
};

const page = (...seqs: readonly number[]): MutationPage => ({
  mutations: seqs.map((seq) => ({
    kind: 'access',
    seq: sequence(seq),
    database: 'db',
    principal: 'user:a',
  })),
  upTo: sequence(seqs.at(-1)!),
});

/** Reads pages; the history ends where it is said. */
function open(stored: StoredPosition = BEGUN) {
  const clock = new DrivenClock();
  const progress = new HandlerProgress();
  progress.begin(stored);
  const pending: { seq: number; sinceSecs: number | undefined; coveredUpTo: number }[] = [];
  return {
    progress,
    read: async (end: number, ...seqs: readonly number[]) => {
      const read = progress.reading(page(...seqs));
      for (const seq of seqs) if (!progress.isTold(sequence(seq))) pending.push({ seq, ...read });
      const bucket = { lastSequence: () => Promise.resolve(sequence(end)) };
      await progress.reached(page(...seqs), bucket as Bucket, clock);
      return read;
    },
    tell: (...seqs: readonly number[]) => {
      for (const seq of seqs) {
        progress.told(sequence(seq));
        pending.splice(
          pending.findIndex((task) => task.seq === seq),
          1,
        );
      }
    },
    pending: () => pending.map(({ seq }) => seq),
    position: (): HandlerPosition | undefined => progress.position(pending as never),
  };
}

/** As another process finds it. */
function again(position: HandlerPosition | undefined) {
  return open({ ...position!, cas: 2 as Cas });
}

test('what is told beyond the oldest that is not is told to nobody again', async () => {
  const first = open();
  await first.read(15, 11, 12, 13, 14, 15);
  first.tell(12, 14, 15);
  const position = first.position();
  assert.equal(position?.seq, 10);
  const next = again(position);
  await next.read(15, 11, 12, 13, 14, 15);
  assert.deepEqual(next.pending(), [11, 13]);
  assert.equal(next.position(), undefined, 'nothing of it is another position');
  next.tell(11);
  assert.equal(next.position()?.seq, 12);
  next.tell(13);
  assert.deepEqual(next.position(), { ...next.position(), seq: 15, coveredUpTo: 15, told: [] });
});

test('what was superseded before it was read counts as read only with the end of the history', async () => {
  const first = open();
  // 12 was superseded by 20, which is not read yet.
  const read = await first.read(20, 11, 13);
  assert.deepEqual([read.isGapBefore, read.coveredUpTo], [true, 10]);
  first.tell(11, 13);
  const position = first.position();
  assert.deepEqual([position?.seq, position?.coveredUpTo], [13, 10]);
  const next = again(position);
  assert.equal(next.progress.isTold(sequence(12)), false);
  assert.equal(next.progress.isTold(sequence(13)), true);
  const later = await next.read(20, 14, 20);
  assert.deepEqual([later.isGapBefore, later.coveredUpTo], [true, 10]);
  next.tell(14, 20);
  assert.equal(next.position()?.coveredUpTo, 20);
  assert.equal((await next.read(21, 21)).isGapBefore, false);
});
