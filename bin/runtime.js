// What Node itself is told for a gateway: its defaults are those of a program that has its machine
// to itself. Measured in docs/decisions/a-small-node.md.
export const RUNTIME_FLAGS = [
  // The young part of the heap may grow to 96 MB by default; in half of that everything that a few
  // hundred writes need is garbage before it is collected.
  '--max-semi-space-size=16',
  // The old part may otherwise grow to several times what is live in it before it is collected, by
  // how busy the process happens to be; so it takes the same memory every time.
  '--heap-growing-percent=40',
  // Functions are compiled by the last compiler only when they are truly hot: before, it costs more
  // than it gains.
  '--invocation-count-for-turbofan=15000',
];
/** Else each thread has a heap of its own in the C library, which it never gives back. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

/** The environment with what the C library reads, where it does not say otherwise. */
export function withRuntimeEnvironment(env) {
  return { ...ENVIRONMENT, ...env };
}

/**
 * Begins this process anew with these flags, which a running one cannot take: same process id, same
 * files. Returns where it has them already, where it only runs a short command, or where the
 * platform cannot.
 */
export function withRuntimeFlags() {
  const [, , command = 'serve'] = process.argv;
  // Flags without a command are those of `serve`.
  if (command !== 'serve' && !command.startsWith('-')) return;
  const name = RUNTIME_FLAGS[0].split('=')[0];
  const { NODE_OPTIONS = '' } = process.env;
  const isSet = [...process.execArgv, NODE_OPTIONS].some((flag) => flag.includes(name));
  if (isSet || process.execve === undefined || process.connected === true) return;
  const args = [process.execPath, ...RUNTIME_FLAGS, ...process.execArgv, ...process.argv.slice(1)];
  try {
    process.execve(process.execPath, args, withRuntimeEnvironment(process.env));
  } catch {
    // NOTE: then with a larger heap.
  }
}
