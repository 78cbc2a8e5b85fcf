// `npm run bench:transitions`: how long a database takes to come online, and to get another
// configuration.
//   --n 100000     documents that are stored
//   --feeds 1000   continuous feeds that are open when the configuration changes
//   --rounds 10
// Prints the times as an administrator has them, over HTTP, against the goals.
import { once } from 'node:events';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { createDatabase } from '../test/helpers/database.ts';
import { request } from '../test/helpers/http.ts';
import { runGateway } from '../test/helpers/run-gateway.ts';
import { temporaryFolder } from '../test/helpers/temporary-folder.ts';
import { order } from './lib/samples.ts';
import { table } from './report.ts';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '100000' },
    feeds: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '10' },
  },
});
const [documents, feeds, rounds] = [values.n, values.feeds, values.rounds].map(Number) as [
  number,
  number,
  number,
];
/** In ms. */
const GOALS = { online: 300, configuration: 500 };
const BATCH = 1000;

await using folder = await temporaryFolder();
await using gateway = await runGateway({ dataDir: folder.path, flags: ['--log-level', 'error'] });
const guest = { disabled: false, admin_channels: ['*'] };
const db = await createDatabase(gateway, 'bench', { guest });
for (let from = 0; from < documents; from += BATCH) {
  const docs = Array.from({ length: BATCH }, (_, n) => ({ _id: `d${from + n}`, ...order(n) }));
  await request('POST', `${db.admin}/_bulk_docs`, { json: { docs } });
}
const agent = new http.Agent({ keepAlive: false, maxSockets: feeds });

const online: number[] = [];
for (let round = 0; round < rounds; round++) {
  await post('_offline');
  online.push(await timed(() => post('_online')));
}
const configuration: number[] = [];
for (let round = 0; round < rounds; round++) {
  const { ended } = await openFeeds();
  configuration.push(await timed(() => post('_config', { revs_limit: 100 + round })));
  await ended;
}

const rows = [
  [`offline → online, ${documents} documents`, online, GOALS.online],
  [`another configuration, ${feeds} open feeds`, configuration, GOALS.configuration],
] as const;
console.log(
  table([
    ['ms', 'fewest', 'median', 'most', 'goal'],
    ...rows.map(([what, times, goal]) => {
      const sorted = times.toSorted((a, b) => a - b);
      const some = [sorted.at(0), sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
      return [what, ...some.map((ms) => (ms ?? 0).toFixed(0)), String(goal)];
    }),
  ]),
);
if (rows.some(([, times, goal]) => Math.max(...times) > goal)) process.exitCode = 1;

async function post(path: string, json?: unknown): Promise<void> {
  const options = json === undefined ? {} : { json };
  const { status, text } = await request('POST', `${db.admin}/${path}`, options);
  if (status >= 300) throw new Error(`${path} answered ${status}: ${text}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Resolves when all are open. */
async function openFeeds(): Promise<{ readonly ended: Promise<unknown> }> {
  const url = `${db.public}/_changes?feed=continuous&since=${documents + 1}&heartbeat=60000`;
  const ends: Promise<unknown>[] = [];
  await Promise.all(
    Array.from({ length: feeds }, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
      http.get(url, { agent }, resolve).on('error', reject);
      const answer = await promise;
      ends.push(once(answer.resume(), 'close'));
    }),
  );
  return { ended: Promise.all(ends) };
}
