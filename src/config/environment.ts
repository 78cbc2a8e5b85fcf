import type { StartupFlags } from './startup-config.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What environment variables say: each is a flag of the command line, which stands above it. */
export interface EnvironmentFlags extends StartupFlags {
  /** Path of the configuration file. */
  readonly config?: string;
}

/** Of this process. */
export function processEnvironment(): Environment {
  return process.env;
}

/** Variable → the flag that it stands for. */
const VARIABLES = {
  config: 'TIDEGATE_CONFIG',
  dataDir: 'TIDEGATE_DATA_DIR',
  publicInterface: 'TIDEGATE_PUBLIC_INTERFACE',
  adminInterface: 'TIDEGATE_ADMIN_INTERFACE',
  metricsInterface: 'TIDEGATE_METRICS_INTERFACE',
  logLevel: 'TIDEGATE_LOG_LEVEL',
} as const satisfies Partial<Record<keyof EnvironmentFlags, string>>;

/** Reads the variables; an empty one counts as absent. */
export function readEnvironment(env: Environment = processEnvironment()): EnvironmentFlags {
  const flags: Record<string, string> = {};
  for (const [flag, variable] of Object.entries(VARIABLES)) {
    const value = env[variable];
    if (value !== undefined && value !== '') flags[flag] = value;
  }
  return flags;
}
