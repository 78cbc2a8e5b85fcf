import type { CheckOptions, Checked } from './check-table.ts';
import { checkTable, noFindings } from './check-table.ts';
import type { Environment } from './environment.ts';
import type { OptionTable } from './option.ts';
import { expandTable } from './variables.ts';

export interface CheckedExpanded<T extends OptionTable> extends Checked<T> {
  /** As `given`, with the variables in it expanded. */
  readonly expanded: Checked<T>['given'];
}

/**
 * Checks an object as `checkTable`, with environment variables in place of their names; `given`
 * still has the names. Without an environment, `${NAME}` is text.
 */
export function checkExpanded<T extends OptionTable>(
  table: T,
  json: unknown,
  options: CheckOptions & { readonly environment: Environment | undefined },
): CheckedExpanded<T> {
  const { environment, findings, path } = options;
  const expanded =
    environment === undefined ? json : expandTable(table, json, { environment, findings, path });
  const checked = checkTable(table, expanded, options);
  if (expanded === json) return { ...checked, expanded: checked.given };
  const { given } = checkTable(table, json, { ...options, findings: noFindings() });
  return { ...checked, given, expanded: checked.given };
}
