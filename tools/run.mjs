// Runs a TypeScript program of this project under Node 24, whatever Node started this one:
//   node tools/run.mjs bench/run.ts --n 1000
import { spawnSync } from 'node:child_process';
import { ensureInstalled, requireNode24, ROOT } from './lib/install.mjs';

ensureInstalled({ dev: true });
const run = spawnSync(requireNode24(), process.argv.slice(2), { cwd: ROOT, stdio: 'inherit' });
process.exitCode = run.status ?? 1;
