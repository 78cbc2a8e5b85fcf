// `npm run check`: types, lint, format and house rules, side by side.
//   --fix   mends first what can be mended
//   PATH …  only findings in these files and folders (`npm run check -- src/rest`)
import { spawn } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, requireNode24, ROOT } from './lib/install.mjs';

/** How long the whole check may take before someone should do something about it. */
const GOAL_MS = 10_000;

ensureInstalled({ dev: true });
const node = requireNode24();
const bin = (name) => path.join(ROOT, 'node_modules', '.bin', name);
const isFixing = process.argv.includes('--fix');

// NOTE: no folder is named twice; what is left out is in .oxlintrc.json and .oxfmtrc.json.
const paths = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const LINT = ['--type-aware', '--deny-warnings', '--report-unused-disable-directives', ...paths];
const CHECKS = [
  { name: 'types', command: bin('tsc'), args: ['-p', '.'] },
  { name: 'lint', command: bin('oxlint'), args: LINT },
  { name: 'format', command: bin('oxfmt'), args: ['--check', ...paths] },
  { name: 'tidy', command: node, args: ['tools/tidy.ts', ...paths] },
];

if (isFixing) {
  await run({ name: 'lint --fix', command: bin('oxlint'), args: [...LINT, '--fix'] });
  await run({ name: 'format', command: bin('oxfmt'), args: paths });
}
const startedAt = performance.now();
const results = (await Promise.all(CHECKS.map(run))).map(onlyAsked);
for (const { name, output } of results.filter(({ code }) => code !== 0)) {
  console.log(`\n── ${name} ──\n${output.trimEnd()}`);
}
console.log('');
for (const { name, code, ms } of results) {
  console.log(`${code === 0 ? '✔' : '✖'} ${name.padEnd(7)} ${(ms / 1000).toFixed(1)} s`);
}
const tookMs = performance.now() - startedAt;
if (tookMs > GOAL_MS)
  console.log(`NOTE: ${Math.round(tookMs / 1000)} s; the goal is ${GOAL_MS / 1000} s`);
process.exitCode = results.every(({ code }) => code === 0) ? 0 : 1;

/** The type checker cannot be told to look at a part: what it says of other files is left out. */
function onlyAsked(result) {
  if (result.name !== 'types' || paths.length === 0 || result.code === 0) return result;
  const all = result.output.split('\n').filter((line) => /^\S+\(\d+,\d+\): /.test(line));
  const asked = all.filter((line) => paths.some((start) => line.startsWith(start)));
  const output = [...asked, `(and ${all.length - asked.length} in other files)`].join('\n');
  // NOTE: a failure that names no file (a bad tsconfig) stays one.
  return all.length === 0 ? result : { ...result, output, code: asked.length === 0 ? 0 : 1 };
}

/** Runs one check to its end; its output is told only where it fails. */
function run({ name, command, args }) {
  const begin = performance.now();
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    const finish = (code, note = '') =>
      resolve({
        name,
        code,
        ms: performance.now() - begin,
        output: Buffer.concat(chunks).toString('utf8') + note,
      });
    child.once('error', (cause) => finish(1, String(cause)));
    child.once('close', (code) => finish(code ?? 1));
  });
}
