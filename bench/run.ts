// `npm run bench`: a gateway on free ports with a folder of its own, under the shared load.
//   --n 5000           operations a workload
//   --only put,get     of put, bulk, get, update, changes, import and fanout; all, where none is
//                      named. `--only import --n 1000000` tells whether it stays as fast and small
//   --label NAME       what the results file is called
// Prints each workload beside its goal and the reference, and writes bench/results/LABEL.json.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { GatewayProcess } from '../test/helpers/run-gateway.ts';
import { runGateway } from '../test/helpers/run-gateway.ts';
import { temporaryFolder } from '../test/helpers/temporary-folder.ts';
import { GOALS } from './goals.ts';
import { measureImport } from './lib/import-load.ts';
import type { Measurement } from './report.ts';
import { beyondGoal, report } from './report.ts';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '5000' },
    only: { type: 'string', default: [...new Set(GOALS.map((goal) => goal.only))].join(',') },
    label: { type: 'string', default: 'tidegate' },
  },
});
const RESULTS = path.join(import.meta.dirname, 'results');

await using folder = await temporaryFolder();
await using gateway = await runGateway({ dataDir: folder.path, flags: ['--log-level', 'error'] });
const only = values.only.split(',').filter((each) => each !== 'import');
const { measurements, exitCode } =
  only.length === 0 ? { measurements: [], exitCode: 0 } : await load(gateway, only);
if (values.only.split(',').includes('import')) {
  const options = { dataDir: folder.path, n: Number(values.n) };
  for (const measured of await measureImport(gateway, options)) {
    console.log(JSON.stringify({ label: values.label, ...measured }));
    measurements.push(measured);
  }
}

console.log(`\n${report(measurements)}`);
for (const workload of beyondGoal(measurements)) console.log(`beyond its goal: ${workload}`);
if (gateway.log() !== '') console.log(`the gateway's log:\n${gateway.log().slice(-4000)}`);
await mkdir(RESULTS, { recursive: true });
const results = { node: process.version, operations: Number(values.n), measurements };
await writeFile(
  path.join(RESULTS, `${values.label}.json`),
  `${JSON.stringify(results, null, 2)}\n`,
);
process.exitCode = exitCode;

/** Runs the load and gathers its lines, which are shown as they come. */
async function load(
  { urls, pid }: GatewayProcess,
  workloads: readonly string[],
): Promise<{ measurements: Measurement[]; exitCode: number }> {
  const target = ['--public', urls.public, '--admin', urls.admin, '--pid', String(pid)];
  const options = ['--label', values.label, '--n', values.n, '--only', workloads.join(',')];
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'shared/load.mjs'), ...target, ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const measurements: Measurement[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    if (line.startsWith('{')) measurements.push(JSON.parse(line) as Measurement);
  }
  return { measurements, exitCode: (await ended)[0] ?? 1 };
}
