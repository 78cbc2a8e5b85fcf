import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bucket, CollectionId, MutationPage } from '../bucket/bucket.ts';
import { RevisionTree } from '../document/revision-tree.ts';
import type { Cas, DocId, RevId, Sequence } from '../document/types.ts';
import { sequence, ZERO } from '../document/types.ts';
import { DrivenClock } from '../util/driven-clock.ts';
import { HandlerProgress } from './handler-progress.ts';
import type { StoredPosition } from './handler-positions.ts';
import type { ToldRevisions } from './revisions-to-tell.ts';
import { revisionsToTell } from './revisions-to-tell.ts';

/** What is read, told, saved and forgotten in any order: nothing is lost, and all is in order. */

const SEED = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261129);
const DOCUMENTS = 4;
const KEPT_SECS = 300;

type Step =
  | { readonly do: 'commit'; readonly doc: number }
  /** A page, with commits between its snapshot and the look at the end of the history. */
  | { readonly do: 'read'; readonly limit: number; readonly meanwhile: readonly number[] }
  | { readonly do: 'tell'; readonly doc: number }
  | { readonly do: 'save' }
  | { readonly do: 'kill' };

const doc = fc.nat(DOCUMENTS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('commit' as const), doc }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      limit: fc.integer({ min: 1, max: 3 }),
      meanwhile: fc.array(doc, { maxLength: 2 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tell' as const), doc }) },
  { weight: 4, arbitrary: fc.constant({ do: 'save' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'kill' as const }) },
);

const walks = fc.array(step, { maxLength: 80, size: 'max' });

interface Task {
  readonly doc: number;
  readonly seq: Sequence;
  readonly rev: RevId;
  readonly sinceSecs: number | undefined;
  readonly isGapBefore: boolean;
  readonly coveredUpTo: Sequence;
}

/** A history as the bucket tells it, one handler that follows it, and what its receiver got. */
class Walk {
  readonly clock = new DrivenClock();
  readonly told: string[] = [];
  readonly written: string[] = [];
  #end = 0;
  readonly #documents = Array.from({ length: DOCUMENTS }, () => ({
    tree: RevisionTree.empty,
    seq: ZERO,
    generation: 0,
  }));
  #stored: StoredPosition;
  #progress = new HandlerProgress();
  #pending: Task[] = [];
  #lanes = new Map<number, ToldRevisions>();

  constructor() {
    const sinceSecs = Math.floor(this.clock.now() / 1000);
    this.#stored = { seq: ZERO, coveredUpTo: ZERO, sinceSecs, told: [], cas: 0 as Cas };
    this.#progress.begin(this.#stored);
  }

  commit(at: number): void {
    const document = this.#documents[at]!;
    const rev = `${document.generation + 1}-a` as RevId;
    const before = document.generation === 0 ? [] : document.tree.history(revOf(document));
    let tree = document.tree.insert({ rev, deleted: false }, before);
    if (document.generation > 0) {
      const expiry = Math.floor(this.clock.now() / 1000) + KEPT_SECS;
      tree = tree.withKeptBody(revOf(document), { expiry, digests: [], seq: document.seq });
    }
    this.#end += 1;
    this.#documents[at] = { tree, seq: sequence(this.#end), generation: document.generation + 1 };
    this.written.push(`${at} ${rev}`);
  }

  async read(limit: number, meanwhile: readonly number[]): Promise<void> {
    const since = this.#progress.readUpTo;
    const rows = this.#documents
      .map((document, at) => ({ at, rev: revOf(document), seq: document.seq }))
      .filter(({ seq }) => seq > since)
      .toSorted((a, b) => a.seq - b.seq);
    if (rows.length === 0) return;
    const some = rows.slice(0, limit);
    const upTo = some.length === rows.length ? sequence(this.#end) : some.at(-1)!.seq;
    const mutations = some.map(({ at, rev, seq }) => ({
      kind: 'document' as const,
      seq,
      collection: 1 as CollectionId,
      key: `${at}` as DocId,
      rev,
      flags: 0,
      channels: [],
      removed: [],
    }));
    const page: MutationPage = { mutations, upTo };
    const read = this.#progress.reading(page);
    for (const { at, rev, seq } of some)
      if (!this.#progress.isTold(seq)) this.#pending.push({ doc: at, seq, rev, ...read });
    for (const at of meanwhile) this.commit(at);
    const bucket = { lastSequence: () => Promise.resolve(sequence(this.#end)) };
    await this.#progress.reached(page, bucket as Bucket, this.clock);
  }

  /** The oldest of this document, as `DocumentDelivery` does it. */
  tell(at: number): void {
    const task = this.#pending.find((each) => each.doc === at);
    if (task === undefined) return;
    const { tree, seq: newest } = this.#documents[at]!;
    const due = revisionsToTell(tree, {
      told: this.#lanes.get(at),
      first: task.rev,
      sinceSecs: task.isGapBefore ? task.sinceSecs : undefined,
      isTold: (seq) => seq <= task.coveredUpTo || this.#progress.isTold(seq),
      keptSecs: KEPT_SECS,
      winningRevOnly: false,
    });
    for (const rev of due) this.told.push(`${at} ${rev}`);
    const winner = tree.winner().rev;
    this.#lanes.set(at, { winner, leaves: [winner] });
    this.#pending = this.#pending.filter((each) => each !== task);
    this.#progress.told(newest);
    this.#progress.told(task.seq);
  }

  save(): void {
    const position = this.#progress.position(this.#pending);
    if (position === undefined) return;
    const cas = (this.#stored.cas + 1) as Cas;
    this.#stored = JSON.parse(JSON.stringify({ ...position, cas })) as StoredPosition;
    this.#progress.saved(position, cas);
  }

  kill(): void {
    this.#progress = new HandlerProgress();
    this.#progress.begin(this.#stored);
    this.#pending = [];
    this.#lanes = new Map();
  }

  async finish(): Promise<void> {
    while (this.#progress.readUpTo < this.#end) await this.read(2, []);
    while (this.#pending.length > 0) this.tell(this.#pending[0]!.doc);
  }
}

const revOf = ({ generation }: { readonly generation: number }): RevId =>
  `${generation}-a` as RevId;

async function walk(steps: readonly Step[]): Promise<Walk> {
  const walked = new Walk();
  for (const each of steps)
    switch (each.do) {
      case 'commit':
        walked.commit(each.doc);
        break;
      case 'read':
        await walked.read(each.limit, each.meanwhile);
        break;
      case 'tell':
        walked.tell(each.doc);
        break;
      case 'save':
        walked.save();
        break;
      case 'kill':
        walked.kill();
        break;
    }
  await walked.finish();
  return walked;
}

function checkInOrder({ written, told }: Walk): void {
  const first = new Map<string, number>();
  for (const [index, revision] of told.entries())
    if (!first.has(revision)) first.set(revision, index);
  const lost = written.filter((revision) => !first.has(revision));
  assert.deepEqual(lost, [], 'lost');
  const last = new Map<string, number>();
  for (const revision of written) {
    const [at = ''] = revision.split(' ');
    const index = first.get(revision) ?? -1;
    assert.ok(index > (last.get(at) ?? -1), `${revision} is told too early`);
    last.set(at, index);
  }
}

test('however often it is killed, each revision is told, in the order of its document', async () => {
  await fc.assert(
    fc.asyncProperty(walks, async (steps) => {
      checkInOrder(await walk(steps));
    }),
    { seed: SEED, numRuns: Number(process.env['TIDEGATE_TEST_RUNS'] ?? 500) },
  );
});

test('as long as it is not killed, each revision is told once', async () => {
  await fc.assert(
    fc.asyncProperty(walks, async (steps) => {
      const walked = await walk(steps.filter((each) => each.do !== 'kill'));
      checkInOrder(walked);
      assert.equal(walked.told.length, walked.written.length);
    }),
    { seed: SEED, numRuns: Number(process.env['TIDEGATE_TEST_RUNS'] ?? 500) },
  );
});

test('what was saved as told is told to nobody again, whatever was superseded meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(walks, async (steps) => {
      const walked = new Walk();
      for (const each of steps) {
        if (each.do === 'commit') walked.commit(each.doc);
        if (each.do === 'read') await walked.read(each.limit, each.meanwhile);
        if (each.do === 'tell') walked.tell(each.doc);
        // It is killed only just after it has saved.
        if (each.do === 'kill') {
          walked.save();
          walked.kill();
        }
      }
      await walked.finish();
      checkInOrder(walked);
      assert.equal(walked.told.length, new Set(walked.told).size, 'each once');
    }),
    { seed: SEED, numRuns: Number(process.env['TIDEGATE_TEST_RUNS'] ?? 500) },
  );
});
