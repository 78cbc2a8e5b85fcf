import type { Log } from '../observability/log.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import type { BucketServer } from './bucket-server.ts';
import { SqliteServer } from './sqlite/sqlite-server.ts';

/** What `bootstrap.server` may begin with. */
const SCHEMES = 'sqlite:DIR, sqlite::memory:';

/**
 * Opens the place where buckets live, by the scheme of `url`: `sqlite:DIR` is a folder of SQLite
 * files, `sqlite::memory:` the memory of this process. Throws `badRequest` for any other, and
 * `unavailable` where the folder can neither be found nor created.
 */
export async function openBucketServer(
  url: string,
  options: { readonly log: Log; readonly clock: Clock },
): Promise<BucketServer> {
  if (url === 'sqlite::memory:') return await SqliteServer.inMemory(options);
  const folder = url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : '';
  if (folder !== '') return await SqliteServer.inFolder(folder, options);
  throw new GatewayError('badRequest', `the server must be one of ${SCHEMES}`, {
    details: { supported: SCHEMES },
  });
}
