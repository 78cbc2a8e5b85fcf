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
import { OutgoingRequests } from '../util/outgoing-requests.ts';
import type { RegistryOptions } from './registry.ts';
import { DatabaseRegistry } from './registry.ts';

/** For tests: a server with the bucket `b`, and as many gateways on it as are asked for. */
export interface TestRegistries extends AsyncDisposable {
  readonly server: BucketServer;
  readonly bucket: Bucket;
  readonly metrics: Metrics;
  /** Of another process, as it were. `beforeOpen` is waited for whenever that opens a bucket. */
  registry(
    options?: RegistryOptions & { readonly beforeOpen?: () => Promise<void> },
  ): Promise<DatabaseRegistry>;
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
  const outgoing = opening.use(new OutgoingRequests({ clock, allowedHosts: [] }));
  const stack = opening.move();
  return {
    server,
    bucket,
    metrics,
    registry: async ({ beforeOpen, ...options } = {}) =>
      stack.use(
        await DatabaseRegistry.open(
          { sandbox, passwords, log, metrics, clock, outgoing },
          beforeOpen === undefined ? server : withPause(server, beforeOpen),
          options,
        ),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function withPause(server: BucketServer, beforeOpen: () => Promise<void>): BucketServer {
  return {
    url: server.url,
    list: () => server.list(),
    stampOf: (name) => server.stampOf(name),
    open: async (name, options) => {
      await beforeOpen();
      return server.open(name, options);
    },
    // It is closed by who opened it.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
