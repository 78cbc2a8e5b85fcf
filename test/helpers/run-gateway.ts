import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** A gateway in a process of its own, started as a user starts it, on free ports of 127.0.0.1. */
export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number;
  /** Base URLs without a slash at the end. */
  readonly urls: { readonly public: string; readonly admin: string; readonly metrics: string };
  /** What it has written to standard error so far: its log. */
  readonly log: () => string;
  /** Sends the signal and waits for the end; gives the exit code, null where a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface GatewayProcessOptions {
  /** Folder of the buckets. */
  readonly dataDir: string;
  /** Further flags of `tidegate serve`. */
  readonly flags?: readonly string[];
  /** A command that runs it as its one child and ends with it, such as `strace -f`. */
  readonly under?: readonly string[];
}

const COMMAND = path.join(import.meta.dirname, '../../bin/tidegate.js');
/** The longest wait for its ports. */
const START_WITHIN_MS = 20_000;
const INTERFACES = ['public', 'admin', 'metrics'] as const;

/** Resolves when it answers; rejects, with its log, where it ends or says nothing before. */
export async function runGateway(options: GatewayProcessOptions): Promise<GatewayProcess> {
  const ports = INTERFACES.flatMap((name) => [`--${name}-interface`, '127.0.0.1:0']);
  const flags = ['--data-dir', options.dataDir, ...ports, ...(options.flags ?? [])];
  const { under = [] } = options;
  const [command = '', ...args] = [...under, process.execPath, COMMAND, 'serve', ...flags];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const own = child.pid;
  if (own === undefined) throw new Error(`${command} cannot be run`, { cause: await exit });
  const pidOf = (): number => (under.length === 0 ? own : onlyChild(own));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(pidOf(), signal);
    return (await exit)[0];
  };
  try {
    const urls = await announcedUrls(child.stdout);
    await waitForPing(urls.public);
    // NOTE: read on, or a full pipe would stop the gateway.
    child.stdout.resume();
    return {
      pid: pidOf(),
      urls,
      log: () => log,
      stop,
      [Symbol.asyncDispose]: async () => void (await stop()),
    };
  } catch (cause) {
    await stop('SIGKILL');
    throw new Error(`the gateway did not start:\n${log}`, { cause });
  }
}

/** The URLs that it prints once it listens, each on a line that begins with its interface. */
async function announcedUrls(stdout: NodeJS.ReadableStream): Promise<GatewayProcess['urls']> {
  const urls: Partial<Record<(typeof INTERFACES)[number], string>> = {};
  const signal = AbortSignal.timeout(START_WITHIN_MS);
  for await (const line of createInterface({ input: stdout, signal })) {
    const found = /^\s*(public|admin|metrics)\s+(https?:\/\/[^\s/]+)/.exec(line);
    if (found !== null) urls[found[1] as (typeof INTERFACES)[number]] = found[2] ?? '';
    const { public: clients, admin, metrics } = urls;
    if (clients !== undefined && admin !== undefined && metrics !== undefined)
      return { public: clients, admin, metrics };
  }
  throw new Error('it told no URLs');
}

/** Of a wrapper; itself where it has none (any more). */
function onlyChild(pid: number): number {
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return first === undefined || first === '' ? pid : Number(first);
}

async function waitForPing(url: string): Promise<void> {
  const answer = await fetch(`${url}/_ping`, { signal: AbortSignal.timeout(START_WITHIN_MS) });
  if (!answer.ok) throw new Error(`_ping answered ${answer.status}`);
}
