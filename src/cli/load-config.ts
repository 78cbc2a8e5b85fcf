import path from 'node:path';
import { readEnvironment } from '../config/environment.ts';
import { configurationError } from '../config/findings.ts';
import { noFindings } from '../config/check-table.ts';
import type { StartupConfig, StartupFlags, StartupReading } from '../config/startup-config.ts';
import { readStartup } from '../config/startup-config.ts';
import type { GatewayOptions } from '../gateway.ts';
import { readConfigFile } from './read-config-file.ts';

export interface ConfigFlags extends StartupFlags {
  /** Path of the configuration file. */
  readonly config?: string;
}

export interface LoadedConfig {
  readonly config: StartupConfig;
  /** From where it can be read again; undefined where there is no file. */
  readonly file: GatewayOptions['file'];
}

/** From flags, environment and file. Throws one `badRequest` that names every mistake. */
export async function loadConfig(flags: ConfigFlags): Promise<LoadedConfig> {
  const all: ConfigFlags = { ...readEnvironment(), ...flags };
  const { config: name } = all;
  const read = async (): Promise<StartupReading> =>
    readStartup(name === undefined ? undefined : await readConfigFile(name), all);
  const { config, problems } = await read();
  if (problems.length > 0)
    throw configurationError('start-up configuration', {
      ...noFindings(),
      problems: [...problems],
    });
  return { config, file: name === undefined ? undefined : { read, folders: foldersOf(name) } };
}

/** Where functions are looked for that a file names by theirs: beside it, then where we are. */
export function foldersOf(name: string): readonly string[] {
  return [path.dirname(path.resolve(name)), process.cwd()];
}
