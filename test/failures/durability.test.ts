import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from '../helpers/http.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { systemCalls, traceInto, type SystemCall } from './system-calls.ts';

// `kill -9` is not a loss of power: what a process has written, the kernel keeps. So these tests
// look at the system calls themselves: an acknowledgement leaves after the commit is on the disk.

const isSync = ({ name }: SystemCall): boolean => name === 'fsync' || name === 'fdatasync';

/** A write of a socket that begins an answer of this status. */
const isAnswer = ({ target, data }: SystemCall, status: number): boolean =>
  target.startsWith('socket:') && data.includes(`HTTP/1.1 ${status} `);

interface Acknowledged {
  readonly status: number;
  /** In the answer; else the mark itself. */
  readonly answered?: string;
  /** Where in the trace to begin. */
  readonly after?: number;
}

/**
 * The first write of `mark` to the WAL, the next sync of the WAL, and the first answer after the
 * write that has `answered` in it, stand in this order. Gives the positions of the last two.
 */
function assertDurable(
  calls: readonly SystemCall[],
  mark: string,
  { status, answered = mark, after = 0 }: Acknowledged,
): { readonly synced: number; readonly told: number } {
  const written = calls.find(
    ({ target, data, begun }) =>
      begun > after && target.endsWith('.sqlite-wal') && data.includes(mark),
  );
  assert(written !== undefined, `the WAL has ${mark}`);
  const synced = calls.find(
    (call) => isSync(call) && call.target === written.target && call.begun > written.ended,
  );
  assert(synced !== undefined && !synced.failed, `the WAL with ${mark} is synced`);
  const answer = calls.find(
    (call) => call.begun > written.begun && isAnswer(call, status) && call.data.includes(answered),
  );
  assert(answer !== undefined, `an answer ${status} with "${answered}" follows that of ${mark}`);
  assert(synced.ended < answer.begun, `the answer with "${answered}" leaves after the sync`);
  return { synced: synced.ended, told: answer.begun };
}

/** The trace must be readable. */
const PLAIN = { 'accept-encoding': 'identity' };

test('an acknowledgement leaves after the fsync of its commit', async () => {
  await using folder = await temporaryFolder();
  const dataDir = `${folder.path}/data`;
  const documents = Array.from({ length: 10 }, (_, n) => `alone-${n}`);
  const bulk = Array.from({ length: 30 }, (_, n) => `bulk-${n}`);
  const crowd = Array.from({ length: 120 }, (_, n) => `crowd-${n}`);
  let tombstone = '';
  {
    await using gateway = await runGateway({ dataDir, under: traceInto(folder.path) });
    const db = `${gateway.urls.admin}/demo`;
    const put = async (url: string, json: unknown): Promise<void> => {
      const answer = await request('PUT', url, { json });
      assert.equal(answer.status, 201, answer.text);
    };
    await put(`${gateway.urls.admin}/fresh/`, { bucket: 'fresh' });
    for (const id of documents) await put(`${db}/${id}`, { text: 'x' });
    const gone = await request('DELETE', `${db}/alone-0?rev=${await revOf(`${db}/alone-0`)}`);
    assert.equal(gone.status, 200);
    tombstone = (gone.json as { rev: string }).rev;
    const all = { docs: bulk.map((_id) => ({ _id })) };
    const told = await request('POST', `${db}/_bulk_docs`, { json: all, headers: PLAIN });
    assert.equal(told.status, 201);
    await Promise.all(crowd.map((id) => put(`${db}/${id}`, { text: 'x' })));
    await put(`${db}/with-file/file`, 'attached-bytes');
    await put(`${db}/_local/checkpoint-1`, { n: 1 });
    await put(`${db}/_user/user-one`, { password: 'letmein' });
    const session = await request('POST', `${db}/_session`, { json: { name: 'user-one' } });
    assert.equal(session.status, 200, session.text);
    assert.equal(await gateway.stop(), 0);
  }
  const calls = systemCalls(folder.path);
  for (const id of documents) assertDurable(calls, id, { status: 201 });
  assertDurable(calls, tombstone, { status: 200 });
  for (const id of bulk) assertDurable(calls, id, { status: 201, answered: 'bulk-0' });
  assertDurable(calls, 'attached-bytes', { status: 201, answered: 'with-file' });
  assertDurable(calls, 'checkpoint-1', { status: 201 });
  const { told: after } = assertDurable(calls, 'user-one', { status: 201, answered: '' });
  assertDurable(calls, 'user-one', { status: 200, answered: 'session_id', after });
  const groups = new Set(crowd.map((id) => assertDurable(calls, id, { status: 201 }).synced));
  assert(groups.size < crowd.length / 2, `${groups.size} syncs for ${crowd.length} writes at once`);
  assert(
    calls.some((call) => isSync(call) && call.target === dataDir),
    'the folder that names the new files is synced',
  );
});

async function revOf(url: string): Promise<string> {
  const { json } = await request('GET', url);
  return (json as { _rev: string })._rev;
}
