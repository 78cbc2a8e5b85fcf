import type { DatabaseConfig } from '../config/database-config.ts';
import { readDatabaseConfig } from '../config/database-config.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { OutgoingRequests } from '../util/outgoing-requests.ts';
import { openTokens } from './open-tokens.ts';
import type { TokenVerifier } from './token-verifier.ts';

/** For tests: what verifies the tokens of `local_jwt`, as a database has it. */
export interface TestTokens extends Disposable {
  readonly tokens: TokenVerifier;
}

export function openTestTokens(localJwt: object, clock: Clock = systemClock): TestTokens {
  using opening = new DisposableStack();
  const outgoing = opening.use(new OutgoingRequests({ clock, allowedHosts: [] }));
  const observer = { database: 'db', log: silentLog, metrics: createMetrics({ clock }) };
  const tokens = openTokens(checked(localJwt), { outgoing, observer, clock }, opening);
  const open = opening.move();
  return { tokens, [Symbol.dispose]: () => open.dispose() };
}

function checked(localJwt: object): DatabaseConfig['local_jwt'] {
  const { parsed, problems } = readDatabaseConfig({ local_jwt: localJwt }, { name: 'db' });
  if (problems.length > 0) throw new Error(`bug: this test configures ${problems.join('; ')}`);
  return parsed.config.local_jwt;
}
