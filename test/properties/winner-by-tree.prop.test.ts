import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import {
  leavesOf,
  madeDocument,
  winnerOf,
  type MadeDocument,
  type MadeRevision,
} from './revision-histories.ts';

const DATABASES = ['one', 'two', 'three'];
const SYNC_FUNCTION = `function (doc) {
  channel(doc.channels);
  access('ann', doc.grants);
}`;

/** One way for the same revisions to arrive. */
interface Arrival {
  /** Positions among all revisions: each at least once, some again. */
  readonly order: readonly number[];
  /** How many of them come in one request; one comes alone in a PUT. */
  readonly batches: readonly number[];
  /** Positions among the leaves, in the order in which they are deleted in the end. */
  readonly deletions: readonly number[];
}

const SOME = 60;

const arrival: fc.Arbitrary<Arrival> = fc.record({
  order: fc.shuffledSubarray([...Array(SOME).keys()], { minLength: SOME }),
  batches: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: SOME, maxLength: SOME }),
  deletions: fc.shuffledSubarray([...Array(SOME).keys()], { minLength: SOME }),
});

const scenario = fc.record({
  documents: fc.array(madeDocument, { minLength: 1, maxLength: 3 }),
  arrivals: fc.tuple(arrival, arrival, arrival),
  /** How many leaves of each document are deleted once all is there. */
  deleted: fc.nat({ max: 2 }),
});

/** A revision under the id that its document has in this run. */
type Pushed = MadeRevision & { readonly id: string };

const asSent = ({ id, rev, digests, deleted, body }: Pushed): object => ({
  _id: id,
  _rev: rev,
  _revisions: { start: digests.length, ids: digests },
  ...(deleted ? { _deleted: true } : {}),
  ...body,
});

async function push(
  db: string,
  all: readonly Pushed[],
  { order, batches }: Arrival,
): Promise<void> {
  // Those past the end come round again: a revision that is there already changes nothing.
  const coming = order.map((at) => all[at % all.length]!).slice(0, Math.max(all.length * 2, 4));
  const missing = all.filter((each) => !coming.includes(each));
  const queue = [...coming, ...missing];
  for (let at = 0; queue.length > 0; at += 1) {
    const batch = queue.splice(0, batches[at % batches.length]);
    const answer =
      batch.length === 1
        ? await request('PUT', `${db}/${batch[0]!.id}?new_edits=false`, { json: asSent(batch[0]!) })
        : await request('POST', `${db}/_bulk_docs`, {
            json: { new_edits: false, docs: batch.map(asSent) },
          });
    assert.equal(answer.status, 201, answer.text);
    if (batch.length > 1)
      for (const row of answer.json as { error?: string }[]) assert.equal(row.error, undefined);
  }
}

/** Deletes some leaves of each document, of which others come to win. */
async function deleteLeaves(
  db: string,
  leaves: readonly Pushed[],
  { deletions }: Arrival,
): Promise<void> {
  const order = leaves.toSorted(
    (a, b) => deletions.indexOf(leaves.indexOf(a)) - deletions.indexOf(leaves.indexOf(b)),
  );
  for (const { id, rev } of order) {
    const answer = await request('DELETE', `${db}/${id}?rev=${rev}`);
    assert.equal(answer.status, 200, answer.text);
  }
}

/** Everything that readers can see of the documents, without what tells of the way there. */
async function stateOf(db: string, ids: readonly string[], since: number): Promise<object> {
  const documents = await Promise.all(ids.map((id) => documentState(db, id)));
  const feed = `_changes?since=${since}&style=all_docs`;
  const inChannels = ['a', 'b', 'c'].map((name) =>
    rowsOf(db, `${feed}&filter=sync_gateway/bychannel&channels=${name}&active_only=true`),
  );
  const user = await request('GET', `${db}/_user/ann`);
  return {
    documents,
    feed: await rowsOf(db, feed),
    channels: await Promise.all(inChannels),
    granted: (user.json as { all_channels: string[] }).all_channels,
  };
}

async function documentState(db: string, id: string): Promise<object> {
  const winner = await request('GET', `${db}/${id}?conflicts=true`);
  const leaves = await request('GET', `${db}/${id}?open_revs=all&revs=true`, {
    headers: { accept: 'application/json' },
  });
  const open = (leaves.json as { ok: { _rev: string } }[]).map(({ ok }) => ok);
  return {
    status: winner.status,
    winner: winner.json,
    leaves: open.toSorted((a, b) => (a._rev < b._rev ? -1 : 1)),
  };
}

async function rowsOf(db: string, feed: string): Promise<readonly Row[]> {
  const answer = await request('GET', `${db}/${feed}`);
  const { results } = answer.json as unknown as { results: (Row & { seq: unknown })[] };
  return results
    .filter(({ id }) => !id.startsWith('_user/'))
    .map(({ seq: _, ...row }) => row)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

interface Row {
  readonly id: string;
  readonly changes: readonly { readonly rev: string }[];
}

/** What the rule says, worked out from what was pushed. */
async function assertWinner(db: string, id: string, document: MadeDocument): Promise<void> {
  const winner = winnerOf(leavesOf(document));
  const answer = await request('GET', `${db}/${id}`);
  assert.equal(answer.status, winner?.deleted === true ? 404 : 200, answer.text);
  if (winner?.deleted === false)
    assert.equal((answer.json as { _rev: string })._rev, winner.rev, 'the winner of the rule');
  const rows = await rowsOf(db, `_changes?style=all_docs&since=0`);
  const told = rows.find((row) => row.id === id)?.changes.map(({ rev }) => rev);
  assert.equal(told?.[0], winner?.rev, 'a row begins with the winner');
  assert.deepEqual(
    told?.toSorted(),
    leavesOf(document)
      .map(({ rev }) => rev)
      .toSorted(),
  );
}

async function start(gateway: TestGateway): Promise<readonly string[]> {
  const dbs = DATABASES.map((name) => `${gateway.admin}/${name}`);
  for (const db of dbs) {
    const json = { allow_conflicts: true, sync: SYNC_FUNCTION };
    assert.equal((await request('PUT', `${db}/`, { json })).status, 201);
    const user = await request('PUT', `${db}/_user/ann`, { json: { password: 'letmein' } });
    assert.equal(user.status, 201);
  }
  return dbs;
}

const sequenceOf = async (db: string): Promise<number> =>
  ((await request('GET', `${db}/`)).json as { update_seq: number }).update_seq;

test('the winner depends on the tree alone, in whatever order it arrived (invariant 5)', async (t) => {
  await using gateway = await startTestGateway();
  const dbs = await start(gateway);
  const seed = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261124);
  t.diagnostic(`seed ${seed}`);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ documents, arrivals, deleted }) => {
      const run = runs++;
      const named = documents.map((document, n) => ({ id: `r${run}-d${n}`, document }));
      const all = named.flatMap(({ id, document }) =>
        document.revisions.map((revision) => ({ ...revision, id })),
      );
      const doomed = named.flatMap(({ id, document }) =>
        leavesOf(document)
          .filter((leaf) => !leaf.deleted)
          .slice(0, deleted)
          .map((leaf) => ({ ...leaf, id })),
      );
      const before = await Promise.all(dbs.map(sequenceOf));
      const ids = named.map(({ id }) => id);
      const states = async (): Promise<readonly object[]> =>
        Promise.all(dbs.map((db, at) => stateOf(db, ids, before[at]!)));

      await Promise.all(dbs.map((db, at) => push(db, all, arrivals[at]!)));
      const [pushed, ...others] = await states();
      for (const other of others) assert.deepEqual(other, pushed);
      for (const { id, document } of named) await assertWinner(dbs[0]!, id, document);

      await Promise.all(dbs.map((db, at) => deleteLeaves(db, doomed, arrivals[at]!)));
      const [left, ...rest] = await states();
      for (const other of rest) assert.deepEqual(other, left);
    }),
    { seed, numRuns: 40, interruptAfterTimeLimit: 60_000 },
  );
});
