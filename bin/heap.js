// The young part of the heap: by default it grows to 96 MB, which a gateway does not need.
export const HEAP_FLAGS = ['--max-semi-space-size=8'];

/**
 * Begins this process anew with these flags, which a running one cannot take: same process id, same
 * files. Returns where it has them already, where it only runs a short command, or where the
 * platform cannot.
 */
export function withHeapFlags() {
  const [, , command = 'serve'] = process.argv;
  // Flags without a command are those of `serve`.
  if (command !== 'serve' && !command.startsWith('-')) return;
  const name = HEAP_FLAGS[0].split('=')[0];
  const { NODE_OPTIONS = '' } = process.env;
  const isSet = [...process.execArgv, NODE_OPTIONS].some((flag) => flag.includes(name));
  if (isSet || process.execve === undefined || process.connected === true) return;
  const args = [process.execPath, ...HEAP_FLAGS, ...process.execArgv, ...process.argv.slice(1)];
  try {
    process.execve(process.execPath, args, process.env);
  } catch {
    // NOTE: then with a larger heap.
  }
}
