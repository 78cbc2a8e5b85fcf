import type { IncomingHttpHeaders } from 'node:http';
import type { ConfigChange } from '../database/config-change.ts';
import { etagOf, ifMatch } from './if-match.ts';
import type { RestServices } from './rest-services.ts';

/** What a route has in hand that changes the configuration of a database. */
export interface ChangingConfiguration {
  readonly database: { readonly name: string };
  readonly headers: IncomingHttpHeaders;
  readonly services: RestServices;
}

/**
 * Changes the configuration of a database as far as the request's `If-Match` allows; gives the ETag
 * of what is stored then. Throws what `ServedDatabase.configure` throws.
 */
export async function changeConfiguration(
  { database, headers, services }: ChangingConfiguration,
  change: ConfigChange,
): Promise<string> {
  const served = services.registry.served(database.name);
  await served.configure(change, ifMatch(headers));
  return etagOf(served.version);
}
