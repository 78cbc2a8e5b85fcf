// `npm test`: installs what the tests need, checks, and runs every test with Node's own runner.
//   --unit      only the tests beside the code, without `npm run check`
//   --no-check  without `npm run check`
//   WORD …      only test files whose path contains one of these
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureDebianPackages } from './lib/debian-packages.mjs';
import { ensureInstalled, requireNode24, ROOT } from './lib/install.mjs';

/** No single test (and no file as a whole) may take longer. */
const TEST_TIMEOUT_MS = 300_000;
/** Test files side by side; a file's own tests run one after the other. */
const CONCURRENCY = 2;

const flags = process.argv.slice(2).filter((arg) => arg.startsWith('--'));
const words = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const isUnit = flags.includes('--unit');

ensureInstalled({ dev: true });
const node = requireNode24();
if (!isUnit) ensureDebianPackages();

const checked = isUnit || flags.includes('--no-check') || words.length > 0 || check();
const tested = runTests(findTests(isUnit ? ['src', 'tools'] : ['src', 'tools', 'test']));
if (!checked) console.log('✖ npm run check failed; its findings stand above the tests');
process.exitCode = checked && tested ? 0 : 1;

function check() {
  return spawnSync(node, ['tools/check.mjs'], { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

function findTests(folders) {
  return folders
    .flatMap((folder) =>
      readdirSync(path.join(ROOT, folder), { recursive: true }).map((file) =>
        path.join(folder, file),
      ),
    )
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
}

function runTests(files) {
  if (files.length === 0) {
    console.log('✖ no test files found');
    return false;
  }
  const scratch = mkdtempSync(path.join(tmpdir(), 'tidegate-test-'));
  const tally = path.join(scratch, 'tally.json');
  try {
    const run = spawnSync(
      node,
      [
        '--test',
        `--test-concurrency=${CONCURRENCY}`,
        `--test-timeout=${TEST_TIMEOUT_MS}`,
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        '--test-reporter=./tools/lib/tally-reporter.mjs',
        `--test-reporter-destination=${tally}`,
        ...files,
      ],
      { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: '' } },
    );
    return judge(run.status, JSON.parse(readFileSync(tally, 'utf8')));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A run counts only where every file held a test, and every test was run and passed. */
function judge(status, { passed, failed, skipped, emptyFiles }) {
  const complaints = [
    ...emptyFiles.map((file) => `${path.relative(ROOT, file)} holds no test`),
    ...(skipped > 0 ? [`${skipped} tests were skipped`] : []),
    ...(passed === 0 ? ['no test was run'] : []),
    ...(status === 0 || failed > 0 ? [] : [`the test runner ended with ${status}`]),
  ];
  for (const complaint of complaints) console.log(`✖ ${complaint}`);
  return status === 0 && failed === 0 && complaints.length === 0;
}
