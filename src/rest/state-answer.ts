import type { ServedDatabase } from '../database/served-database.ts';
import type { Port } from './route.ts';

/**
 * The state of a database as it is told: what the reference tells, and beyond that since when and
 * (to administrators) why, unless that is a matter of course, and when it is to come online.
 */
export function stateAnswer(
  { states, onlineAtMs }: ServedDatabase,
  { port, verbose = false }: { readonly port: Port; readonly verbose?: boolean | undefined },
): Readonly<Record<string, string>> {
  const { state, sinceMs, reason, inTrouble } = states;
  const settled = state === 'Online' || state === 'Offline';
  return {
    state,
    ...(verbose || inTrouble || !settled ? { state_since: new Date(sinceMs).toISOString() } : {}),
    ...(port === 'admin' && (verbose || inTrouble) ? { state_reason: reason } : {}),
    ...(onlineAtMs === undefined ? {} : { online_at: new Date(onlineAtMs).toISOString() }),
  };
}
