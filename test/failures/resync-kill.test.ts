import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import { bringOnline, changeFunction, resyncStatus, startResync } from '../helpers/resync.ts';
import type { ResyncStatus } from '../helpers/resync.ts';
import { pauseBetweenCommits } from '../helpers/pause-between-commits.ts';
import { randomOf } from '../helpers/random.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// Two processes share a resync; one is killed, or paused past its lease, in the middle: the other
// ends it, the counts add up, and each document is changed once (invariants 6 and 7).

const DOCUMENTS = Number(process.env['RESYNC_DOCUMENTS'] ?? 6000);
const ROUNDS = Number(process.env['RESYNC_ROUNDS'] ?? 1);
const SEED = Number(process.env['TIDEGATE_SEED'] ?? randomInt(1e6));
const BATCH = 1000;
/** As `LEASE_MS` of `src/cluster`, and some more. */
const PAST_LEASE_MS = 5000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  a = await runGateway({ dataDir: `${folder.path}/data` });
  const sync = 'function (doc) { channel("first"); }';
  const { admin } = await createDatabase(a, 'shared', { sync });
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    const docs = Array.from({ length: BATCH }, (_, n) => ({ _id: `d${from + n}`, n }));
    const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
    assert.equal(answer.status, 201);
  }
  await request('POST', `${admin}/_offline`);
  b = await runGateway({ dataDir: `${folder.path}/data` });
});

after(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await folder[Symbol.asyncDispose]();
});

const on = ({ urls }: GatewayProcess) => ({ admin: `${urls.admin}/shared` });

async function lastSequence(gateway: GatewayProcess): Promise<number> {
  const { json } = await request('GET', `${on(gateway).admin}/`);
  return (json as { update_seq: number }).update_seq;
}

/** Begins a resync to another channel, and waits until a share of it is done. */
async function begun(name: string, share: number): Promise<{ readonly before: number }> {
  // It takes some time, so that both take part.
  const source = `function (doc) {
    for (var i = 0; i < 20000; i++) doc.n += i;
    channel("${name}");
  }`;
  await changeFunction(on(a), source);
  const before = await lastSequence(a);
  await startResync(on(a));
  await until(
    'a share is done',
    async () => {
      const { docs_processed: processed } = await resyncStatus(on(a));
      return processed >= DOCUMENTS * share ? true : undefined;
    },
    { withinMs: 60_000 },
  );
  return { before };
}

async function endOn(gateway: GatewayProcess): Promise<ResyncStatus> {
  return until(
    'the resync has ended',
    async () => {
      const status = await resyncStatus(on(gateway));
      return status.status === 'running' ? undefined : status;
    },
    { withinMs: 240_000 },
  );
}

/** Each document was processed once and changed once, and nothing else took a sequence. */
async function assertWhole(gateway: GatewayProcess, before: number): Promise<void> {
  const end = await endOn(gateway);
  assert.partialDeepStrictEqual(end, {
    status: 'completed',
    last_error: '',
    docs_targeted: DOCUMENTS,
    docs_processed: DOCUMENTS,
    docs_changed: DOCUMENTS,
    docs_errored: 0,
  });
  assert.equal(await lastSequence(gateway), before + DOCUMENTS);
}

async function countIn(gateway: GatewayProcess, channel: string): Promise<number> {
  const query = `filter=sync_gateway/bychannel&active_only=true&channels=${channel}`;
  const { json } = await request('GET', `${on(gateway).admin}/_changes?${query}`);
  return (json as { results: unknown[] }).results.length;
}

const random = randomOf(SEED);

for (let round = 0; round < ROUNDS; round++) {
  const share = (Math.floor(random() * 5) + 1) / 10;

  test(`killed when ${share} of it is done, the other process ends it, round ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const { before } = await begun(`killed${round}`, share);
    await a.stop('SIGKILL');
    await assertWhole(b, before);
    a = await runGateway({ dataDir: `${folder.path}/data` });
    assert.partialDeepStrictEqual(await resyncStatus(on(a)), { docs_processed: DOCUMENTS });
  });

  test(`paused at ${share}, a process writes nothing after its lease, round ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const { before } = await begun(`paused${round}`, share);
    await pauseBetweenCommits(a.pid, `${folder.path}/data/shared.sqlite`);
    try {
      await sleep(PAST_LEASE_MS);
      await assertWhole(b, before);
    } finally {
      process.kill(a.pid, 'SIGCONT');
    }
    // NOTE: its answer comes when it has left the resync, and tried what it would still do.
    await assertWhole(a, before);
    await bringOnline(on(a));
    assert.equal(await countIn(a, `paused${round}`), DOCUMENTS);
    assert.equal(await countIn(a, `killed${round}`), 0);
    await request('POST', `${on(a).admin}/_offline`);
  });
}
