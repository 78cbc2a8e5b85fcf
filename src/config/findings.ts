import { GatewayError } from '../util/errors.ts';
import type { Findings } from './check-table.ts';

/** One `badRequest` for all mistakes; `details.problems` has them one by one. */
export function configurationError(what: string, findings: Findings): GatewayError {
  const { problems } = findings;
  return new GatewayError('badRequest', `invalid ${what}: ${problems.join('; ')}`, {
    details: { problems },
  });
}

/** For the log: at most one sentence of each kind. */
export function warningsOf(what: string, findings: Findings): readonly string[] {
  const warnings: string[] = [];
  if (findings.couchbaseOnly.length > 0) {
    const names = findings.couchbaseOnly.join(', ');
    warnings.push(`${what}: only Couchbase Server could use this, it has no effect: ${names}`);
  }
  if (findings.unneeded.length > 0) {
    const names = findings.unneeded.join(', ');
    warnings.push(`${what}: accepted, but nothing here acts on it: ${names}`);
  }
  return warnings;
}
