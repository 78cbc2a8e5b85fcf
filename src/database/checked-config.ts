import { noFindings } from '../config/check-table.ts';
import type {
  DatabaseConfig,
  ParseDatabaseOptions,
  ParsedDatabaseConfig,
} from '../config/database-config.ts';
import { readDatabaseConfig } from '../config/database-config.ts';
import { configurationError } from '../config/findings.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { isGatewayError } from '../util/errors.ts';
import { checkFunctions } from './open-collections.ts';

/**
 * As `parseDatabaseConfig`, with the functions compiled: throws one `badRequest` that names every
 * mistake, of both.
 */
export async function checkedDatabaseConfig(
  value: unknown,
  options: ParseDatabaseOptions,
  sandbox: Sandbox,
): Promise<ParsedDatabaseConfig> {
  const { parsed, problems } = readDatabaseConfig(value, options);
  if (problems.length === 0) {
    await checkFunctions(parsed.config, sandbox);
    return parsed;
  }
  const all = [...problems, ...(await functionProblems(parsed.config, sandbox))];
  const findings = { ...noFindings(), problems: all };
  throw configurationError(`configuration of database ${options.name}`, findings);
}

/** Of all functions of a configuration: where which does not compile. */
export async function functionProblems(
  config: DatabaseConfig,
  sandbox: Sandbox,
): Promise<readonly string[]> {
  try {
    await checkFunctions(config, sandbox);
    return [];
  } catch (cause) {
    if (!isGatewayError(cause, 'badRequest')) throw cause;
    const { problems } = cause.details;
    return Array.isArray(problems) ? problems.map(String) : [cause.message];
  }
}
