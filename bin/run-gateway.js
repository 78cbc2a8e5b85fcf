// Runs the gateway's command line in a process of its own, under a Node ≥ 24.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { withCompileCache } from './compile-cache.js';
import { findNode24, node24Missing } from './node24.js';
import { RUNTIME_FLAGS, withRuntimeEnvironment } from './runtime.js';

const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** One Ctrl-C may come twice, by way of npm: within this time it counts once. */
const SAME_SIGNAL_WITHIN_MS = 300;

/** The command line: the TypeScript of a checkout, else the built one of a package. */
export function gatewayMain() {
  const source = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
  return existsSync(source)
    ? source
    : fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
}

/**
 * Runs the gateway with these arguments until it ends; this process ends with its exit code.
 * Signals to this process go on to it; it is told to stop should this process die without a word.
 */
export async function runGateway(args, { sameSignalWithinMs = SAME_SIGNAL_WITHIN_MS } = {}) {
  const node = findNode24();
  if (node === undefined) {
    console.error(node24Missing());
    process.exitCode = 1;
    return;
  }
  const watch = fileURLToPath(new URL('./stop-with-parent.js', import.meta.url));
  // NOTE: detached, so that a terminal's Ctrl-C reaches the gateway once, through this process.
  const gateway = spawn(node, [...RUNTIME_FLAGS, '--import', watch, gatewayMain(), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: withRuntimeEnvironment(withCompileCache(process.env)),
  });
  const stopForwarding = forwardSignals(gateway, sameSignalWithinMs);
  const { code, signal } = await ended(gateway);
  stopForwarding();
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function forwardSignals(child, sameSignalWithinMs) {
  const lastAt = new Map();
  const forward = (signal) => {
    const now = performance.now();
    const isRepeat = now - (lastAt.get(signal) ?? -Infinity) < sameSignalWithinMs;
    lastAt.set(signal, now);
    if (!isRepeat) child.kill(signal);
  };
  for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
  };
}
