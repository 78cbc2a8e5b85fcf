// Installs what is missing, and only then. Runs under any Node ≥ 18.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode24, node24Missing } from '../../bin/node24.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Sees to it that `node_modules` holds what the lockfile says; `dev` includes the tools of
 * development. Ends the process with a message where that fails.
 */
export function ensureInstalled({ dev }) {
  const installed = readLock('node_modules/.package-lock.json');
  const wanted = readLock('package-lock.json');
  const missing = wanted === undefined ? [] : missingPackages({ installed, wanted, dev });
  if (missing.length === 0 && installed !== undefined && findNode24() !== undefined) return;
  const omitDev = !dev && !holdsDevelopmentTools({ installed, wanted });
  console.error(`tidegate: installing dependencies (npm ci${omitDev ? ' --omit=dev' : ''}) …`);
  const args = ['ci', '--loglevel=error', '--no-audit', '--no-fund'];
  const done = spawnSync('npm', omitDev ? [...args, '--omit=dev'] : args, {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],

    shell: process.platform === 'win32',
  });
  if (done.status === 0) return;
  console.error(
    done.error === undefined ? 'tidegate: npm ci failed' : `tidegate: ${done.error.message}`,
  );
  process.exit(1);
}

/** The path of a Node ≥ 24; ends the process with a message where there is none. */
export function requireNode24() {
  const node = findNode24();
  if (node !== undefined) return node;
  console.error(node24Missing());
  process.exit(1);
}

/** What the lockfile asks for and `node_modules` lacks or has in another version. */
function missingPackages({ installed, wanted, dev }) {
  return Object.entries(wanted).filter(([folder, entry]) => {
    // NOTE: optional packages are for some platforms; that the right Node came is checked apart.
    if (folder === '' || entry.optional || entry.devOptional || (entry.dev && !dev)) return false;
    return installed?.[folder]?.version !== entry.version;
  });
}

function holdsDevelopmentTools({ installed, wanted }) {
  if (installed === undefined || wanted === undefined) return false;
  return Object.keys(installed).some((folder) => wanted[folder]?.dev === true);
}

function readLock(name) {
  const file = path.join(ROOT, name);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}
