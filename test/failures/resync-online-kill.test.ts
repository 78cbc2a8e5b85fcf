import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { resyncEnd, resyncStatus } from '../helpers/resync.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// A process is killed in the middle of an online resync: the other one, or it itself when it is
// started again, ends it; clients of the other one notice nothing (invariants 6 and 7).

const DOCUMENTS = Number(process.env['RESYNC_DOCUMENTS'] ?? 2000);
const ROUNDS = Number(process.env['RESYNC_ROUNDS'] ?? 1);
const BATCH = 1000;
const WITHIN_MS = 120_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess | undefined;

const run = () => runGateway({ dataDir: `${folder.path}/data` });
const on = ({ urls }: GatewayProcess) => ({ admin: `${urls.admin}/shared` });

before(async () => {
  folder = await temporaryFolder();
  a = await run();
  const { admin } = await createDatabase(a, 'shared', { sync: to('first') });
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    const docs = Array.from({ length: BATCH }, (_, n) => ({ _id: `d${from + n}`, n }));
    const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
    assert.equal(answer.status, 201);
  }
});

after(async () => {
  await Promise.all([a.stop(), b?.stop()]);
  await folder[Symbol.asyncDispose]();
});

function to(channel: string): string {
  return `function (doc) { channel("${channel}"); }`;
}

/** Begins a resync to another channel, and waits until a share of it is done. */
async function begun(name: string, share: number): Promise<void> {
  const json = { online: true, sync: to(name) };
  const started = await request('POST', `${on(a).admin}/_resync`, { json });
  assert.equal(started.status, 200, started.text);
  await until(
    'a share is done',
    async () => {
      const { docs_processed: processed } = await resyncStatus(on(a));
      return processed >= DOCUMENTS * share ? true : undefined;
    },
    { withinMs: WITHIN_MS },
  );
}

async function countIn(gateway: GatewayProcess, channel: string): Promise<number> {
  const query = `filter=sync_gateway/bychannel&active_only=true&channels=${channel}`;
  const { json } = await request('GET', `${on(gateway).admin}/_changes?${query}`);
  return (json as { results: unknown[] }).results.length;
}

async function lastSequence(gateway: GatewayProcess): Promise<number> {
  const { json } = await request('GET', `${on(gateway).admin}/`);
  return (json as { update_seq: number }).update_seq;
}

/** Writes at the other process, one document after the other, until it is told to stop. */
async function write(gateway: GatewayProcess, round: number, stop: AbortSignal): Promise<number> {
  for (let n = 0; ; n++) {
    if (stop.aborted) return n;
    const { status } = await request('PUT', `${on(gateway).admin}/own${round}-${n}`, { json: {} });
    assert.equal(status, 201);
  }
}

let ownDocuments = 0;

for (let round = 0; round < ROUNDS; round++) {
  const share = (randomInt(5) + 1) / 10;

  test(`killed at ${share}, the other process ends it, its clients go on, ${round}`, async () => {
    b = await run();
    const stop = new AbortController();
    const writing = write(b, round, stop.signal);
    const channel = `both${round}`;
    await begun(channel, share);
    await a.stop('SIGKILL');
    const end = await resyncEnd(on(b), WITHIN_MS);
    stop.abort();
    ownDocuments += await writing;
    assert.equal(end.status, 'completed', end.last_error);
    // NOTE: documents that came meanwhile are among those that it comes across.
    assert.ok(end.docs_processed >= end.docs_targeted);
    assert.ok(end.docs_processed <= DOCUMENTS + ownDocuments);
    assert.equal(await countIn(b, channel), DOCUMENTS + ownDocuments);
    a = await run();
    assert.equal(await countIn(a, channel), DOCUMENTS + ownDocuments);
    await b.stop();
    b = undefined;
  });

  const signal = round % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
  test(`${signal} at ${share}, alone: it goes on when it is started again, ${round}`, async () => {
    const before = await lastSequence(a);
    const channel = `alone${round}`;
    await begun(channel, share);
    await a.stop(signal);
    a = await run();
    const end = await resyncEnd(on(a), WITHIN_MS);
    const all = DOCUMENTS + ownDocuments;
    assert.partialDeepStrictEqual(end, {
      status: 'completed',
      docs_processed: all,
      docs_changed: all,
      docs_routed_by_older_functions: 0,
    });
    assert.equal(await lastSequence(a), before + all, 'each was changed once');
    assert.equal(await countIn(a, channel), all);
  });
}
