import type { Bucket } from '../bucket/bucket.ts';
import type { BucketServer } from '../bucket/bucket-server.ts';
import { openBucketServer } from '../bucket/open-bucket.ts';
import { silentLog } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createMetrics } from '../observability/metrics.ts';
import { Passwords } from '../principals/passwords.ts';
import { startSandbox } from '../sandbox/start-sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { systemClock } from '../util/clock.ts';
import { DatabaseRegistry } from './registry.ts';

/** For tests: a server with the bucket `b`, and as many gateways on it as are asked for. */
export interface TestRegistries extends AsyncDisposable {
  readonly server: BucketServer;
  readonly bucket: Bucket;
  readonly metrics: Metrics;
  /** Of another process, as it were. */
  registry(options?: { readonly isLocal?: boolean }): Promise<DatabaseRegistry>;
}

export async function openTestRegistries({
  clock = systemClock,
  server: url = 'sqlite::memory:',
}: { readonly clock?: Clock; readonly server?: string } = {}): Promise<TestRegistries> {
  await using opening = new AsyncDisposableStack();
  const log = silentLog;
  const server = opening.use(await openBucketServer(url, { log, clock: systemClock }));
  const bucket = opening.use(await server.open('b', { create: true }));
  const sandbox = opening.use(await startSandbox({ log }));
  const passwords = new Passwords({ cost: 4 });
  const metrics = createMetrics({ clock });
  const stack = opening.move();
  return {
    server,
    bucket,
    metrics,
    registry: async (options = {}) =>
      stack.use(
        await DatabaseRegistry.open({ sandbox, passwords, log, metrics, clock }, server, options),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
