import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestDatabase } from '../helpers/database.ts';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import type { ResyncStatus } from '../helpers/resync.ts';
import { bringOnline, resyncEnd, resyncStatus } from '../helpers/resync.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { until } from '../helpers/until.ts';
import type { SmallDisk } from './small-disk.ts';
import { smallDisk, smallFiles } from './small-disk.ts';

// The disk fills in the middle of a resync: it waits and says why, what it has done is whole, and
// with room it goes on by itself (invariants 6 and 7).

const DOCUMENTS = 1500;
const TEXT = 'x'.repeat(1000);
const UNAVAILABLE = 503;
/** More than fit. */
const WRITES_MAX = 2000;
const WITHIN_MS = 60_000;

/** Many channels, and a millisecond or two for each document: it takes a while, and place. */
const SYNC = `function (doc) {
  for (var i = 0; i < 20000; i++) doc.n += i;
  for (var c = 0; c < 10; c++) channel("new" + c);
}`;

async function fill(disk: SmallDisk, pid: number, db: TestDatabase): Promise<void> {
  await disk.limit(pid);
  for (let n = 0; n < WRITES_MAX; n++) {
    const json = { text: TEXT.repeat(100) };
    const { status, text } = await request('PUT', `${db.admin}/_local/fill${n}`, { json });
    if (status === UNAVAILABLE) return;
    assert.equal(status, 201, text);
  }
  assert.fail('the disk fills up');
}

const inChannel = async ({ admin }: TestDatabase, channel: string): Promise<number> => {
  const query = `filter=sync_gateway/bychannel&active_only=true&channels=${channel}`;
  const { json } = await request('GET', `${admin}/_changes?${query}`);
  return (json as { results: unknown[] }).results.length;
};

const lastSequence = async ({ admin }: TestDatabase): Promise<number> =>
  ((await request('GET', `${admin}/`)).json as { update_seq: number }).update_seq;

const counted = ({ docs_processed, docs_changed }: ResyncStatus): readonly number[] => [
  docs_processed,
  docs_changed,
];

/** Runs until the disk stops it. */
async function untilFull(db: TestDatabase, { reason }: SmallDisk): Promise<ResyncStatus> {
  return until(
    'it tells that the disk is full',
    async () => {
      const status = await resyncStatus(db);
      assert.equal(status.status, 'running', status.last_error);
      return reason.test(status.last_error) ? status : undefined;
    },
    { withinMs: WITHIN_MS },
  );
}

async function assertGoesOn(disk: SmallDisk, online: boolean): Promise<void> {
  const dataDir = `${disk.path}/data`;
  {
    await using gateway = await runGateway({ dataDir });
    const sync = 'function (doc) { channel("old"); }';
    const db = await createDatabase(gateway, 'full', { sync });
    for (let from = 0; from < DOCUMENTS; from += 500) {
      const docs = Array.from({ length: 500 }, (_, n) => ({ _id: `d${from + n}`, n, text: TEXT }));
      const put = await request('POST', `${db.admin}/_bulk_docs`, { json: { docs } });
      assert.equal(put.status, 201, put.text);
    }
    if (!online) assert.equal((await request('POST', `${db.admin}/_offline`)).status, 200);
    const before = await lastSequence(db);
    const json = { online, sync: SYNC };
    const started = await request('POST', `${db.admin}/_resync`, { json });
    assert.equal(started.status, 200, started.text);
    await until(
      'some are done',
      async () => ((await resyncStatus(db)).docs_processed > 0 ? true : undefined),
      { withinMs: WITHIN_MS },
    );
    if (online) await fill(disk, gateway.pid, db);
    else await disk.limit(gateway.pid);
    const full = await untilFull(db, disk);
    assert.ok(full.docs_processed < DOCUMENTS, 'it fills in the middle');
    // What is counted is what is stored, no more and no less.
    assert.equal(await lastSequence(db), before + full.docs_changed);
    assert.deepEqual(counted(await resyncStatus(db)), counted(full));
    if (online) {
      assert.equal(await inChannel(db, 'new7'), full.docs_changed);
      assert.equal(await inChannel(db, 'old'), DOCUMENTS - full.docs_changed);
    }
    await disk.makeRoom(gateway.pid);
    const end = await resyncEnd(db, WITHIN_MS);
    assert.partialDeepStrictEqual(end, {
      status: 'completed',
      last_error: '',
      resync_id: full.resync_id,
      docs_processed: DOCUMENTS,
      docs_changed: DOCUMENTS,
      docs_errored: 0,
    });
    assert.equal(await lastSequence(db), before + DOCUMENTS, 'each was changed once');
    if (!online) await bringOnline(db);
    assert.deepEqual([await inChannel(db, 'old'), await inChannel(db, 'new7')], [0, DOCUMENTS]);
    assert.equal(await gateway.stop(), 0);
  }
  const file = new DatabaseSync(`${dataDir}/full.sqlite`, { readOnly: true });
  assert.deepEqual({ ...file.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  file.close();
}

test('the disk fills in the middle of a resync', async () => {
  await using disk = await smallDisk();
  await assertGoesOn(disk, false);
});

test('the disk fills in the middle of an online resync', async () => {
  await using disk = await smallFiles();
  await assertGoesOn(disk, true);
});
