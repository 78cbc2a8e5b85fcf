// Finds a Node that runs TypeScript as it is. Runs under any Node ≥ 18, before anything is checked.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** The oldest release that runs the gateway. */
const NODE_MAJOR_MIN = 24;

/**
 * The path of a Node ≥ 24: the running one, else the one that the optional dependency for this
 * platform brought; undefined where there is neither.
 */
export function findNode24() {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) return process.execPath;
  const require = createRequire(import.meta.url);
  try {
    const manifest = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    const binary = path.join(path.dirname(manifest), 'bin', 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    // NOTE: not installed, or no package for this platform; the caller says what to do.
    return undefined;
  }
}

/** What to tell someone who has no Node 24. */
export function node24Missing() {
  return [
    `tidegate needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version}, and the optional package`,
    `node-${process.platform}-${process.arch}, which would bring it, is not installed.`,
    'Either install Node.js from https://nodejs.org, or run `npm install` without `--omit=optional`.',
  ].join('\n');
}
