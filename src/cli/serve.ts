import { productVersion } from '../config/product-version.ts';
import type { StartupConfig } from '../config/startup-config.ts';
import type { Gateway } from '../gateway.ts';
import type { ProcessLog } from '../observability/pino-log.ts';
import { createLog } from '../observability/pino-log.ts';
import { systemClock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { EXIT } from './exit-codes.ts';
import type { ConfigFlags, LoadedConfig } from './load-config.ts';
import { loadConfig } from './load-config.ts';
import { startProblem } from './start-problem.ts';
import { HangUps, stopSignals } from './stop-signals.ts';
import { welcome } from './welcome.ts';

/** What open requests get to finish, and what the whole stop may take. */
const DRAIN_MS = 8_000;
const STOP_MS_MAX = 10_000;

/** Runs the gateway until a signal; gives the exit code of the process. */
export async function serve(flags: ConfigFlags): Promise<number> {
  let config: StartupConfig | undefined;
  try {
    const loaded = await loadConfig(flags);
    config = loaded.config;
    await using log = openLog(config);
    return await run(loaded, log);
  } catch (cause) {
    return tell(cause, config);
  }
}

function openLog({ logging }: StartupConfig): ProcessLog {
  const { console: own, redaction_level: redaction } = logging;
  const isTerminal = own.file_output === undefined && process.stderr.isTTY;
  try {
    return createLog({
      level: own.enabled ? own.log_level : 'none',
      keys: own.log_keys,
      redaction,
      format: own.format === 'auto' ? (isTerminal ? 'text' : 'json') : own.format,
      color: own.color_enabled,
      destination: own.file_output === undefined ? 'stderr' : { file: own.file_output },
      clock: systemClock,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError('badRequest', `logging.console.file_output: ${why}`, { cause });
  }
}

async function run({ config, file }: LoadedConfig, log: ProcessLog): Promise<number> {
  dieOfBugs(log);
  // NOTE: with its terminal a gateway ends; a service has none, and is asked to read its file.
  const reloads = file !== undefined && !process.stdin.isTTY;
  const hangUps = new HangUps();
  const { stopped } = stopSignals(() => log.flush(), reloads ? () => hangUps.heard() : undefined);
  for (const warning of config.warnings) log.with({ key: 'Config' }).warn(warning);
  // NOTE: loaded here, so that --help and a wrong configuration are answered at once.
  const { startGateway } = await import('../gateway.ts');
  await using gateway = await startGateway(config, {
    log,
    clock: systemClock,
    ...(file === undefined ? {} : { file }),
  });
  // NOTE: whoever reads the standard output may go away; that is no reason to stop.
  process.stdout.on('error', () => undefined);
  process.stdout.write(welcome({ version: productVersion(), urls: gateway.urls, config }));
  log.with({ key: 'Admin' }).info?.('gateway started', { ...gateway.urls });
  hangUps.answer(() => reload(gateway, log));
  const signal = await stopped;
  log.with({ key: 'Admin' }).info?.('gateway stopping', { signal });
  return await stop(gateway, log);
}

/** SIGHUP: what failed is told in the log, and nothing has changed. */
async function reload(gateway: Gateway, log: ProcessLog): Promise<void> {
  try {
    await gateway.reload();
  } catch (cause) {
    log.with({ key: 'Config' }).error('the start-up file could not be read again', {
      error: cause,
    });
  }
}

async function stop(gateway: Gateway, log: ProcessLog): Promise<number> {
  const late = new AbortController();
  const isLate = systemClock.sleep(STOP_MS_MAX, late.signal).then(() => !late.signal.aborted);
  const isStopped = gateway.stop(DRAIN_MS).then(() => false);
  if (await Promise.race([isStopped, isLate])) {
    log.error('the gateway did not stop in time', { waitedMs: STOP_MS_MAX });
    log.flush();
    process.exit(EXIT.failed);
  }
  late.abort();
  return EXIT.ok;
}

/** A bug leaves a state that nobody knows: the process ends, and its supervisor starts it again. */
function dieOfBugs(log: ProcessLog): void {
  process.on('uncaughtException', (error, origin) => {
    log.error('the gateway failed', { origin, error });
    log.flush();
    console.error(`tidegate: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    process.exit(EXIT.failed);
  });
}

function tell(cause: unknown, config: StartupConfig | undefined): number {
  const problem = startProblem(cause, config);
  if (problem === undefined) throw cause;
  if (problem.lines.length === 1) {
    console.error(`tidegate: ${problem.lines[0]}`);
  } else {
    console.error('tidegate: the configuration is wrong in several places:');
    for (const line of problem.lines) console.error(`  - ${line}`);
  }
  return problem.exitCode;
}
