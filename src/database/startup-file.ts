import { changedProperties } from '../config/changed-properties.ts';
import { noFindings } from '../config/check-table.ts';
import { configurationError } from '../config/findings.ts';
import type { StartupConfig, StartupReading } from '../config/startup-config.ts';
import type { Log } from '../observability/log.ts';
import type { LogSettings } from '../observability/pino-log.ts';
import { GatewayError } from '../util/errors.ts';
import type { CheckingFile, FileChanges } from './local-databases.ts';
import { checkFileDatabases, LocalDatabases } from './local-databases.ts';
import type { DatabaseRegistry } from './registry.ts';

/** Reads the start-up file as it is now. */
export type ReadStartupFile = () => Promise<StartupReading>;

/** What a reload of the start-up file did. */
export interface Reloaded {
  readonly databases: FileChanges;
  /** Paths of what has changed in the file and acts after a restart only. */
  readonly restartNeeded: readonly string[];
}

export interface StartupFileOptions {
  /** What the gateway was started with. */
  readonly started: StartupConfig;
  /** Undefined where it was started without a file. */
  readonly readFile: ReadStartupFile | undefined;
  readonly registry: DatabaseRegistry;
  readonly checking: CheckingFile;
  readonly logSettings: LogSettings;
  readonly log: Log;
}

/** Options of the start-up file that act at once. */
const LIVE = new Set(['logging.console.log_level', 'logging.console.log_keys']);
const NONE: FileChanges = { added: [], changed: [], removed: [] };

/** The start-up file: its databases, and what a reload of it does while the gateway runs. */
export class StartupFile {
  readonly #options: StartupFileOptions;
  readonly #local: LocalDatabases;
  readonly #log: Log;
  #applied: StartupConfig;
  #doing: Promise<unknown> = Promise.resolve();

  private constructor(options: StartupFileOptions, local: LocalDatabases) {
    this.#options = options;
    this.#local = local;
    this.#log = options.log.with({ key: 'Config' });
    this.#applied = options.started;
  }

  /** Serves the databases of the file. Throws `badRequest` that names every mistake. */
  static async open(options: StartupFileOptions): Promise<StartupFile> {
    const { started, registry, log, checking } = options;
    const { databases, problems } = await checkFileDatabases(started.databases ?? [], checking);
    throwProblems(problems);
    const local = new LocalDatabases({ registry, log });
    await local.load(databases);
    return new StartupFile(options, local);
  }

  /**
   * Serves what the file says now, one reload after the other. Throws `badRequest` that names every
   * mistake, with nothing
   * changed, and as `LocalDatabases.reload`.
   */
  async reload(): Promise<Reloaded> {
    const done = this.#doing.then(
      () => this.#reload(),
      () => this.#reload(),
    );
    this.#doing = done;
    return done;
  }

  async #reload(): Promise<Reloaded> {
    const { readFile, checking, started } = this.#options;
    if (readFile === undefined)
      throw new GatewayError('badRequest', 'the gateway was started without a configuration file');
    const { config, problems: mistakes } = await readFile();
    const problems = [...mistakes];
    const checked = await checkFileDatabases(config.databases ?? [], checking);
    problems.push(...checked.problems);
    if ((config.databases === undefined) !== (started.databases === undefined))
      problems.push('databases: whether the file has them can only be changed with a restart');
    throwProblems(problems);
    for (const warning of config.warnings) this.#log.warn(warning);
    const databases =
      config.databases === undefined ? NONE : await this.#local.reload(checked.databases);
    this.#setLog(config);
    this.#applied = config;
    const restartNeeded = changedProperties(started.given, config.given).filter(
      (path) => !LIVE.has(path),
    );
    this.#log.info?.('the start-up file was read again', { ...databases, restartNeeded });
    return { databases, restartNeeded };
  }

  /** What the file says anew; what was set over REST since stays. */
  #setLog({ logging: { console: now } }: StartupConfig): void {
    const { logSettings } = this.#options;
    const { console: before } = this.#applied.logging;
    if (now.log_level !== before.log_level && now.enabled) logSettings.level = now.log_level;
    if (now.log_keys.join() !== before.log_keys.join()) logSettings.keys = new Set(now.log_keys);
  }
}

function throwProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw configurationError('start-up configuration', { ...noFindings(), problems: [...problems] });
}
