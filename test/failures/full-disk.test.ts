import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { FeedLines } from '../helpers/feed-lines.ts';
import { request, type Answer, type RequestOptions } from '../helpers/http.ts';
import { runGateway } from '../helpers/run-gateway.ts';
import { smallDisk, smallFiles, type SmallDisk } from './small-disk.ts';

const UNAVAILABLE = 503;
const TEXT = 'x'.repeat(100_000);
/** More than fit, of any kind. */
const WRITES_MAX = 2000;

/** Documents that were acknowledged, and those that were refused. */
interface Ledger {
  readonly stored: Map<string, string>;
  readonly refused: Set<string>;
}

/** Writes until the disk is full, then what is smaller until that does not fit either. */
async function fill(db: string, disk: SmallDisk, ledger: Ledger): Promise<void> {
  for (const text of [TEXT, 'x'.repeat(500), '']) {
    for (let n = 0; ; n += 1) {
      assert(n < WRITES_MAX, 'the disk fills up');
      const id = `${text.length}-${n}`;
      const answer = await request('PUT', `${db}/${id}`, { json: { n, text, channels: ['a'] } });
      if (answer.status === 201) {
        ledger.stored.set(id, (answer.json as { rev: string }).rev);
        continue;
      }
      assertFull(answer, disk);
      ledger.refused.add(id);
      break;
    }
  }
}

function assertFull(answer: Answer, disk: SmallDisk): void {
  assert.equal(answer.status, UNAVAILABLE, answer.text);
  const { error, reason } = answer.json as { error: string; reason: string };
  assert.equal(error, 'Service Unavailable');
  assert.match(reason, disk.reason);
}

/** A smaller write may still fit where a larger one did not: each is tried until it is refused. */
async function assertEveryWriteRefused(db: string, disk: SmallDisk): Promise<void> {
  const writes: readonly (readonly [string, string, RequestOptions])[] = [
    ['PUT', '_user/other', { json: { password: 'letmein' } }],
    ['PUT', '_role/other', { json: { admin_channels: ['b'] } }],
    ['POST', '_session', { json: { name: 'ann' } }],
    ['PUT', '_local/checkpoint', { json: { n: 1, text: TEXT } }],
    ['PUT', 'with-file/file', { body: TEXT.repeat(10) }],
  ];
  for (const [method, path, options] of writes) {
    let answer = await request(method, `${db}/${path}`, options);
    for (let n = 0; answer.status < 300; n += 1) {
      assert(n < WRITES_MAX, `${path} is refused in the end`);
      answer = await request(method, `${db}/${path}`, options);
    }
    assertFull(answer, disk);
  }
  const docs = [
    { _id: 'bulk-0', TEXT },
    { _id: 'bulk-1', TEXT },
  ];
  const bulk = await request('POST', `${db}/_bulk_docs`, { json: { docs } });
  assert.equal(bulk.status, 201);
  for (const row of bulk.json as { status: number; reason: string }[]) {
    assert.equal(row.status, UNAVAILABLE);
    assert.match(row.reason, disk.reason);
  }
}

/** Everything that was acknowledged is there, and nothing that was refused. */
async function assertWhole(db: string, { stored, refused }: Ledger): Promise<void> {
  const feed = await request('GET', `${db}/_changes?include_docs=true`);
  const rows = (feed.json as unknown as { results: Row[] }).results;
  const told = rows.filter(({ id }) => !id.startsWith('_user/'));
  assert.deepEqual(new Map(told.map(({ id, doc }) => [id, doc?._rev])), stored);
  const all = await request('GET', `${db}/_all_docs`);
  assert.equal((all.json as { total_rows: number }).total_rows, stored.size);
  for (const [id, rev] of stored) {
    const answer = await request('GET', `${db}/${id}`, { as: 'ann:letmein' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((answer.json as { _rev: string })._rev, rev);
  }
  for (const id of refused) assert.equal((await request('GET', `${db}/${id}`)).status, 404);
}

interface Row {
  readonly id: string;
  readonly doc?: { readonly _rev: string };
}

async function assertSurvivesFullDisk(disk: SmallDisk): Promise<void> {
  const dataDir = `${disk.path}/data`;
  const ledger: Ledger = { stored: new Map(), refused: new Set() };
  {
    await using gateway = await runGateway({ dataDir });
    const admin = `${gateway.urls.admin}/demo`;
    const clients = `${gateway.urls.public}/demo`;
    const user = await request('PUT', `${admin}/_user/ann`, {
      json: { password: 'letmein', admin_channels: ['a'] },
    });
    assert.equal(user.status, 201, user.text);
    await using feed = await FeedLines.open(`${clients}/_changes?since=0`, { as: 'ann:letmein' });
    await disk.limit(gateway.pid);

    await fill(clients, disk, ledger);
    assert(ledger.stored.size > 10);
    await assertEveryWriteRefused(admin, disk);
    await assertWhole(clients, ledger);
    for (const id of ledger.stored.keys()) await feed.rowOf(id);
    const wait = await request('GET', `${clients}/_changes?feed=longpoll&since=9999&timeout=100`);
    assert.equal(wait.status, 200, wait.text);

    await disk.makeRoom(gateway.pid);
    for (const id of [...ledger.refused, 'new']) {
      const answer = await request('PUT', `${clients}/${id}`, {
        json: { text: TEXT, channels: 'a' },
      });
      assert.equal(answer.status, 201, answer.text);
      ledger.stored.set(id, (answer.json as { rev: string }).rev);
      await feed.rowOf(id);
    }
    ledger.refused.clear();
    await assertWhole(clients, ledger);
    assert.equal(await gateway.stop(), 0);
  }
  const db = new DatabaseSync(`${dataDir}/demo.sqlite`, { readOnly: true });
  assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  db.close();
}

test('on a full disk writes are refused, reads and feeds go on, and room is enough to go on', async () => {
  await using disk = await smallDisk();
  await assertSurvivesFullDisk(disk);
});

test('the same where files may grow no more', async () => {
  await using disk = await smallFiles();
  await assertSurvivesFullDisk(disk);
});

test('a gateway that is killed on a full disk starts there again, and serves what it has', async () => {
  await using disk = await smallDisk();
  const dataDir = `${disk.path}/data`;
  const ledger: Ledger = { stored: new Map(), refused: new Set() };
  for (const round of ['killed', 'stopped']) {
    await using gateway = await runGateway({ dataDir });
    const db = `${gateway.urls.public}/demo`;
    if (round === 'killed') {
      await request('PUT', `${gateway.urls.admin}/demo/_user/ann`, {
        json: { password: 'letmein', admin_channels: ['a'] },
      });
      await disk.limit(gateway.pid);
      await fill(db, disk, ledger);
      await gateway.stop('SIGKILL');
      continue;
    }
    await disk.limit(gateway.pid);
    await assertWhole(db, ledger);
    assertFull(await request('PUT', `${db}/more`, { json: { text: TEXT } }), disk);
    await disk.makeRoom(gateway.pid);
    assert.equal((await request('PUT', `${db}/more`, { json: { text: TEXT } })).status, 201);
  }
});

test('a gateway that finds no room at all to start says so, and starts once there is some', async () => {
  await using disk = await smallDisk();
  const dataDir = `${disk.path}/data`;
  const start = async (): Promise<void> => {
    await using gateway = await runGateway({ dataDir });
    const written = await request('PUT', `${gateway.urls.public}/demo/first`, { json: {} });
    assert([201, 409].includes(written.status), written.text);
  };
  await start();
  await disk.fillUp();
  await assert.rejects(start(), /disk of the bucket (is full|fails)/);
  await disk.makeRoom(process.pid);
  await start();
});
