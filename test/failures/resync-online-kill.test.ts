import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../helpers/database.ts';
import type { Answer } from '../helpers/http.ts';
import { request } from '../helpers/http.ts';
import { pauseBetweenCommits } from '../helpers/pause-between-commits.ts';
import { randomOf } from '../helpers/random.ts';
import { channelsOf, ResyncClients } from '../helpers/resync-clients.ts';
import type { ResyncStatus } from '../helpers/resync.ts';
import { resyncEnd, resyncStatus } from '../helpers/resync.ts';
import { runGateway, type GatewayProcess } from '../helpers/run-gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// One of two processes is killed, or paused past its lease, while an online resync runs and clients
// write: the other one, or it itself when it is started again, ends the resync; clients of the
// other one notice nothing, each sequence is accounted for, and what the former function or an old
// lease would still write is not written (invariants 6 and 7).

const DOCUMENTS = Number(process.env['RESYNC_DOCUMENTS'] ?? 1000);
const ROUNDS = Number(process.env['RESYNC_ROUNDS'] ?? 1);
const SEED = Number(process.env['TIDEGATE_SEED'] ?? randomInt(1e6));
const BATCH = 1000;
const WITHIN_MS = 240_000;
/** As `LEASE_MS` of `src/cluster`, and some more. */
const PAST_LEASE_MS = 5000;
/** Documents that no client writes again: only who is asked to. */
const QUIET = 10;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let a: GatewayProcess;
let b: GatewayProcess;

const run = () => runGateway({ dataDir: `${folder.path}/data` });
const on = ({ urls }: GatewayProcess) => ({
  public: `${urls.public}/shared`,
  admin: `${urls.admin}/shared`,
});
const ids = Array.from({ length: DOCUMENTS }, (_, n) => `d${n}`);
const rewritten = ids.slice(QUIET);
const to = (channel: string): string => `function (doc) { channel("${channel}"); }`;

/** As far as known: what was there, and what clients have made. */
let all = DOCUMENTS;
let former = 'first';

before(async () => {
  folder = await temporaryFolder();
  a = await run();
  const guest = { disabled: false, admin_channels: ['*'] };
  const { admin } = await createDatabase(a, 'shared', { sync: to(former), guest });
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    const docs = ids.slice(from, from + BATCH).map((_id) => ({ _id, n: 0 }));
    const answer = await request('POST', `${admin}/_bulk_docs`, { json: { docs } });
    assert.equal(answer.status, 201);
  }
  b = await run();
});

after(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await folder[Symbol.asyncDispose]();
});

async function start(gateway: GatewayProcess, channel: string): Promise<void> {
  const json = { online: true, sync: to(channel) };
  const started = await request('POST', `${on(gateway).admin}/_resync`, { json });
  assert.equal(started.status, 200, started.text);
}

async function untilDone(gateway: GatewayProcess, share: number): Promise<void> {
  await until(
    'a share is done',
    async () => {
      const { docs_processed: processed } = await resyncStatus(on(gateway));
      return processed >= DOCUMENTS * share ? true : undefined;
    },
    { withinMs: WITHIN_MS },
  );
}

async function countIn(gateway: GatewayProcess, channel: string): Promise<number> {
  const query = `filter=sync_gateway/bychannel&active_only=true&channels=${channel}`;
  const { json } = await request('GET', `${on(gateway).admin}/_changes?${query}`);
  const { results } = json as { results: { id: string; removed?: unknown }[] };
  return results.filter(({ id }) => !id.startsWith('_')).length;
}

async function lastSequence(gateway: GatewayProcess): Promise<number> {
  const { json } = await request('GET', `${on(gateway).admin}/`);
  return (json as { update_seq: number }).update_seq;
}

/** Every document has gone over, and every sequence is a client's write or a document's change. */
async function assertWhole(
  gateway: GatewayProcess,
  { docs_changed: changed }: ResyncStatus,
  expected: { readonly channel: string; readonly before: number; readonly written: number },
): Promise<void> {
  assert.equal(await lastSequence(gateway), expected.before + changed + expected.written);
  const counts = [await countIn(gateway, former), await countIn(gateway, expected.channel)];
  assert.deepEqual(counts, [0, all]);
}

/** NOTE: documents that came meanwhile are among those that it comes across. */
function assertCompleted(end: ResyncStatus): void {
  assert.equal(end.status, 'completed', end.last_error);
  assert.equal(end.docs_errored, 0);
  assert.ok(end.docs_processed >= end.docs_targeted, `${end.docs_processed}`);
  assert.ok(end.docs_processed <= all, `${end.docs_processed} of ${all}`);
  assert.ok(end.docs_changed <= end.docs_processed);
}

/** Sends writes to a process that is paused: it answers when it goes on. */
async function writesTo(gateway: GatewayProcess, round: number): Promise<Promise<Answer>[]> {
  const id = `d${round % QUIET}`;
  const { json } = await request('GET', `${on(b).public}/${id}`);
  const { _rev } = json as { _rev: string };
  return [`late${former}`, id].map((each) =>
    request('PUT', `${on(gateway).public}/${each}`, {
      json: each === id ? { _rev, late: true } : {},
      signal: AbortSignal.timeout(WITHIN_MS),
    }),
  );
}

/** The paused process goes on: what waited in it is written, and the clients of both end. */
async function endOfClients(
  { here, there }: { readonly here: ResyncClients; readonly there: ResyncClients },
  late: readonly Promise<Answer>[],
  channel: string,
): Promise<{ readonly created: number; readonly written: number }> {
  const own = await assertWritten(late, channel);
  await here.untilWritten(2);
  await Promise.all([here.end(), there.end()]);
  return {
    created: here.created + there.created,
    written: here.written + there.written + own,
  };
}

/** They are in the channel that the newer function says, whatever the process knew before. */
async function assertWritten(writes: readonly Promise<Answer>[], channel: string): Promise<number> {
  for (const { status, text, json } of await Promise.all(writes)) {
    assert.equal(status, 201, text);
    assert.deepEqual(await channelsOf(on(b), (json as { id: string }).id), [channel]);
  }
  all++;
  return writes.length;
}

const random = randomOf(SEED);

for (let round = 0; round < ROUNDS; round++) {
  const share = (Math.floor(random() * 5) + 1) / 10;

  test(`killed at ${share}, the other process ends it, its clients go on, ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const channel = `both${round}`;
    const before = await lastSequence(b);
    const clients = new ResyncClients(on(b), { name: channel, stored: rewritten });
    await clients.untilWritten(2);
    await start(a, channel);
    clients.cutOverTo(channel);
    await untilDone(b, share);
    await a.stop('SIGKILL');
    const end = await resyncEnd(on(b), WITHIN_MS);
    await clients.untilWritten(2);
    await clients.end();
    all += clients.created;
    assertCompleted(end);
    await assertWhole(b, end, { channel, before, written: clients.written });
    a = await run();
    assert.equal(await countIn(a, channel), all);
    former = channel;
  });

  test(`paused at ${share}, a process writes nothing by its old lease, ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const channel = `paused${round}`;
    const before = await lastSequence(b);
    const here = new ResyncClients(on(a), { name: `${channel}a`, stored: rewritten });
    const there = new ResyncClients(on(b), { name: `${channel}b`, stored: rewritten });
    await start(a, channel);
    for (const clients of [here, there]) clients.cutOverTo(channel);
    await untilDone(b, share);
    await pauseBetweenCommits(a.pid, `${folder.path}/data/shared.sqlite`);
    let late: Promise<Answer>[];
    let end: ResyncStatus;
    try {
      late = await writesTo(a, round);
      await sleep(PAST_LEASE_MS);
      end = await resyncEnd(on(b), WITHIN_MS);
      await there.untilWritten(2);
    } finally {
      process.kill(a.pid, 'SIGCONT');
    }
    const { created, written } = await endOfClients({ here, there }, late, channel);
    all += created;
    assertCompleted(end);
    // NOTE: its answer comes when it has left the resync, and tried what it would still do.
    assert.deepEqual(await countsOf(a), await countsOf(b));
    await assertWhole(b, end, { channel, before, written });
    assert.equal(await countIn(a, channel), all);
    former = channel;
  });

  test(`paused before the cut-over, a process writes nothing by the former function, ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const channel = `older${round}`;
    const before = await lastSequence(b);
    const here = new ResyncClients(on(a), { name: `${channel}a`, stored: rewritten });
    const there = new ResyncClients(on(b), { name: `${channel}b`, stored: rewritten });
    await here.untilWritten(2);
    await pauseBetweenCommits(a.pid, `${folder.path}/data/shared.sqlite`);
    let late: Promise<Answer>[];
    let end: ResyncStatus;
    try {
      late = await writesTo(a, round + 1);
      await start(b, channel);
      for (const clients of [here, there]) clients.cutOverTo(channel);
      end = await resyncEnd(on(b), WITHIN_MS);
    } finally {
      process.kill(a.pid, 'SIGCONT');
    }
    const { created, written } = await endOfClients({ here, there }, late, channel);
    all += created;
    assertCompleted(end);
    await assertWhole(b, end, { channel, before, written });
    assert.equal(await countIn(a, channel), all);
    former = channel;
  });

  const signal = round % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
  test(`${signal} at ${share}, alone: it goes on when it is started again, ${round}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    await b.stop();
    const before = await lastSequence(a);
    const channel = `alone${round}`;
    await start(a, channel);
    await untilDone(a, share);
    await a.stop(signal);
    a = await run();
    const end = await resyncEnd(on(a), WITHIN_MS);
    assert.partialDeepStrictEqual(end, {
      status: 'completed',
      docs_processed: all,
      docs_changed: all,
      docs_routed_by_older_functions: 0,
    });
    await assertWhole(a, end, { channel, before, written: 0 });
    former = channel;
    b = await run();
  });
}

async function countsOf(gateway: GatewayProcess): Promise<readonly unknown[]> {
  const { docs_processed, docs_changed, status } = await resyncStatus(on(gateway));
  return [docs_processed, docs_changed, status];
}
