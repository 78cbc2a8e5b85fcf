// What the tests need beyond npm, by Debian's packages. Runs under any Node ≥ 18.
import { spawnSync } from 'node:child_process';

/** A command that a test runs, the package that brings it, and what it is for. */
const NEEDED = [
  {
    command: 'strace',
    package: 'strace',
    why: 'the durability tests watch fsync and acknowledgements',
  },
  { command: 'curl', package: 'curl', why: 'the commands of the pages are run as they stand' },
  {
    command: 'chromium',
    package: 'chromium',
    why: 'pages of a real browser sync with the gateway, and show its API',
  },
];

/** Installs what is missing; where this user may not, ends the process with what to run. */
export function ensureDebianPackages() {
  const missing = NEEDED.filter(({ command }) => !isThere(command));
  if (missing.length === 0) return;
  const packages = missing.map((entry) => entry.package);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  console.error(`tidegate: installing Debian packages for the tests: ${packages.join(' ')} …`);
  // NOTE: what a browser recommends is a desktop: a hundred packages more.
  const install = [...sudo, 'apt-get', 'install', '-y', '-q', '--no-install-recommends'];
  const done =
    apt([...install, ...packages]) ||
    (apt([...sudo, 'apt-get', 'update', '-q']) && apt([...install, ...packages]));
  if (done && missing.every(({ command }) => isThere(command))) return;
  for (const { command, why } of missing) console.error(`tidegate: ${command} is missing: ${why}`);
  console.error(`tidegate: install them with: sudo apt-get install ${packages.join(' ')}`);
  process.exit(1);
}

function isThere(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
}

function apt([command, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { stdio: ['ignore', 2, 2], env }).status === 0;
}
