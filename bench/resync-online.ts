// `npm run bench:resync`: what an online resync does to clients that write meanwhile.
//   --n 20000        documents that are stored
//   --clients 8      clients that each write one document after the other
//   --per-second 200 writes of all clients together; 0: as fast as they are answered
// Prints how long PUTs take without and with it, how fast it goes, and what a plan of it costs.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createDatabase } from '../test/helpers/database.ts';
import { request } from '../test/helpers/http.ts';
import { resyncEnd, resyncStatus } from '../test/helpers/resync.ts';
import { planWith } from '../test/helpers/resync-plan.ts';
import { runGateway } from '../test/helpers/run-gateway.ts';
import { temporaryFolder } from '../test/helpers/temporary-folder.ts';
import { order } from './lib/samples.ts';
import { table } from './report.ts';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '20000' },
    clients: { type: 'string', default: '8' },
    'per-second': { type: 'string', default: '200' },
  },
});
const DOCUMENTS = Number(values.n);
const CLIENTS = Number(values.clients);
const PER_SECOND = Number(values['per-second']);
/** The p99 of client PUTs during an online resync against that without. */
const GOAL = 2;
const BATCH = 1000;
const WITHIN_MS = 600_000;
/** How long is measured without, and then with it, in turns. */
const WINDOW_MS = 2000;

await using folder = await temporaryFolder();
await using gateway = await runGateway({ dataDir: folder.path, flags: ['--log-level', 'error'] });
const db = await createDatabase(gateway, 'bench', {
  sync: 'function (doc) { channel(doc.channels); }',
});
for (let from = 0; from < DOCUMENTS; from += BATCH) {
  const docs = Array.from({ length: BATCH }, (_, n) => ({ _id: `d${from + n}`, ...order(n) }));
  await request('POST', `${db.admin}/_bulk_docs`, { json: { docs } });
}
const sync = 'function (doc) { channel(doc.channels); channel("owner-" + doc.owner); }';
const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
let written = 0;

const planBegan = performance.now();
const plan = await planWith(db, { sync }, WITHIN_MS);
const planMs = performance.now() - planBegan;

// In turns: what else the machine does is felt by both.
const without: number[] = [];
const during: number[] = [];
let resyncMs = 0;
await writing(sleep(WINDOW_MS));
for (;;) {
  without.push(...(await writing(sleep(WINDOW_MS))));
  const began = performance.now();
  const started = await request('POST', `${db.admin}/_resync`, { json: { online: true, sync } });
  if (started.status !== 200) throw new Error(started.text);
  during.push(...(await writing(untilEnd(WINDOW_MS))));
  resyncMs += performance.now() - began;
  if ((await resyncStatus(db)).status === 'completed') break;
  await request('POST', `${db.admin}/_resync?action=stop`);
  await resyncEnd(db);
}
without.push(...(await writing(sleep(WINDOW_MS))));

const rows = Object.entries({ without, during }).map(([name, all]) => {
  const sorted = all.toSorted((a, b) => a - b);
  const shares = [0.5, 0.9, 0.99, 1].map((share) => quantile(sorted, share).toFixed(2));
  return [name, String(all.length), ...shares];
});
console.log(table([['PUTs', 'number', 'p50 ms', 'p90 ms', 'p99 ms', 'most'], ...rows]));
const ratio = Number(rows[1]?.[4]) / Number(rows[0]?.[4]);
console.log(`p99 during an online resync: ${ratio.toFixed(2)} times that without; goal ${GOAL}`);
const status = await resyncStatus(db);
const perSecond = (status.docs_processed / resyncMs) * 1000;
console.log(
  `resync: ${status.status}, ${status.docs_changed} documents, ${perSecond.toFixed(0)}/s`,
);
const rate = ((plan.docs_processed / planMs) * 1000).toFixed(0);
const estimate = plan.report.estimated_seconds;
console.log(
  `plan before it: ${plan.docs_changed} to be changed, ${rate}/s, estimate ${estimate} s`,
);
if (ratio > GOAL) process.exitCode = 1;

async function untilEnd(withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if ((await resyncStatus(db)).status !== 'running') return;
    await sleep(100);
  }
}

/** Clients write as long as `during` takes; how long each write took, ms. */
async function writing(during: Promise<unknown>): Promise<readonly number[]> {
  const latencies: number[] = [];
  let stopped = false;
  const client = async (): Promise<void> => {
    while (!stopped) {
      const at = performance.now();
      await put(`${db.admin}/own${written++}`);
      const took = performance.now() - at;
      latencies.push(took);
      if (PER_SECOND > 0) await sleep(Math.max((CLIENTS / PER_SECOND) * 1000 - took, 0));
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  await during;
  stopped = true;
  await Promise.all(clients);
  return latencies;
}

function put(url: string): Promise<void> {
  const body = JSON.stringify(order(written));
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    http
      .request(url, { method: 'PUT', agent, headers }, (answer) => {
        answer.resume().on('end', () => {
          if (answer.statusCode === 201) resolve();
          else reject(new Error(`${url} answered ${answer.statusCode}`));
        });
      })
      .on('error', reject)
      .end(body);
  });
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
