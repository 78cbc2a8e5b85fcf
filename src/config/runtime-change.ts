import type { LogLevel } from '../observability/log.ts';
import { checkTable, noFindings, objectAt } from './check-table.ts';
import { configurationError } from './findings.ts';
import { group, option } from './option.ts';
import { integer } from './value-type.ts';
import { STARTUP_OPTIONS } from './startup-options.ts';

/** What `PUT /_config` may change while the gateway runs. */
export interface RuntimeChange {
  readonly logLevel?: LogLevel;
  readonly logKeys?: readonly string[];
}

const { log_level, log_keys } = STARTUP_OPTIONS.logging.options.console.options;

export const RUNTIME_OPTIONS = {
  logging: group('Logs.', { console: group('The log of the process.', { log_level, log_keys }) }),
  max_concurrent_replications: option({
    type: integer(0),
    default: undefined,
    about: 'The most replications at once; there are none yet.',
    live: true,
  }),
};

/** Checks the body of `PUT /_config`. Throws one `badRequest` that names every mistake. */
export function parseRuntimeChange(value: unknown): RuntimeChange {
  const findings = noFindings();
  const hints = Object.fromEntries(
    Object.keys(STARTUP_OPTIONS)
      .filter((name) => name !== 'logging')
      .map((name) => [name, 'cannot be changed while the gateway runs']),
  );
  const { values, given } = checkTable(RUNTIME_OPTIONS, value ?? 'null', {
    findings,
    path: '',
    hints,
  });
  if (findings.problems.length > 0) throw configurationError('change of configuration', findings);
  const changed = objectAt(given, 'logging', 'console');
  const { log_level: level, log_keys: keys } = values.logging.console;
  return {
    ...('log_level' in changed ? { logLevel: level } : {}),
    ...('log_keys' in changed ? { logKeys: keys } : {}),
  };
}
