import { randomUUID } from 'node:crypto';
import { openBucketServer } from './bucket/open-bucket.ts';
import { objectAt } from './config/check-table.ts';
import { productVersion } from './config/product-version.ts';
import type { StartupConfig } from './config/startup-config.ts';
import { DatabaseRegistry } from './database/registry.ts';
import { createMetrics } from './observability/metrics.ts';
import type { ProcessLog } from './observability/pino-log.ts';
import { Passwords } from './principals/passwords.ts';
import { ADMIN_API } from './rest/admin-api.ts';
import { DEFAULT_BODY_LIMITS } from './rest/body-watch.ts';
import { FeedPace } from './rest/feed-pace.ts';
import type { ConnectionLimits } from './rest/http-server.ts';
import { GzipSessions } from './rest/gzip-session.ts';
import { DEFAULT_CONNECTION_LIMITS, HttpServer } from './rest/http-server.ts';
import { METRICS_API } from './rest/metrics-api.ts';
import { PUBLIC_API } from './rest/public-api.ts';
import type { RestServices } from './rest/rest-services.ts';
import { asArray, asLines, SharedRows } from './rest/shared-rows.ts';
import { Ticker } from './rest/ticker.ts';
import { startSandbox } from './sandbox/start-sandbox.ts';
import type { Clock } from './util/clock.ts';

/** A running gateway. Disposal stops it at once; `stop` lets open requests finish. */
export interface Gateway extends AsyncDisposable {
  readonly urls: { readonly public: string; readonly admin: string; readonly metrics: string };
  /**
   * Takes no new requests, ends feeds, gives open requests `drainMs` to finish, closes everything.
   */
  stop(drainMs: number): Promise<void>;
}

/**
 * The composition root: opens everything in reading order, closes it in reverse; where something
 * fails, what is open by then is closed. Throws `badRequest` for a wrong `bootstrap.server`,
 * `unavailable` where the buckets cannot be reached, and the system's error for an address in use.
 */
export async function startGateway(
  config: StartupConfig,
  { log, clock }: { readonly log: ProcessLog; readonly clock: Clock },
): Promise<Gateway> {
  await using opening = new AsyncDisposableStack();
  const metrics = createMetrics({ clock, lines: log.settings.lines });
  const server = opening.use(await openBucketServer(config.bootstrap.server, { log, clock }));
  const sandbox = opening.use(await startSandbox({ log, clock }));
  const passwords = new Passwords({ cost: config.auth.bcrypt_cost });
  const registry = opening.use(
    await DatabaseRegistry.open({ sandbox, passwords, log, metrics, clock }, server),
  );
  const { sample } = config;
  if (sample !== undefined && registry.get(sample.name) === undefined)
    await registry.create(sample.name, sample.config);
  const services = restServices(config, {
    registry,
    log,
    logSettings: log.settings,
    metrics,
    clock,
  });
  const servers = await listen(config, services, opening);
  const open = opening.move();
  return {
    urls: { public: servers.public.url, admin: servers.admin.url, metrics: servers.metrics.url },
    stop: async (drainMs) => {
      const { public: clients, admin, metrics: figures } = servers;
      await Promise.all([clients, admin, figures].map((http) => http.stop(drainMs)));
      await open.disposeAsync();
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function restServices(
  startup: StartupConfig,
  parts: Pick<RestServices, 'registry' | 'log' | 'logSettings' | 'metrics' | 'clock'>,
): RestServices {
  const { api, replicator, limits } = startup;
  return {
    ...parts,
    startup,
    ticker: new Ticker(parts.clock),
    pace: new FeedPace(parts.clock),
    lines: new SharedRows(asLines),
    messages: new SharedRows(asArray),
    zips: new GzipSessions(),
    settings: {
      pretty: api.pretty,
      compressResponses: api.compress_responses,
      hideProductVersion: api.hide_product_version,
      cors: objectAt(startup.given, 'api')['cors'] === undefined ? undefined : api.cors,
      bodyLimits: { ...DEFAULT_BODY_LIMITS, heldMsMax: api.server_read_timeout.ms },
      requestBytesMax: limits.request_bytes_max,
      heartbeatMsMax: replicator.max_heartbeat.ms,
    },
    apis: { public: PUBLIC_API, admin: ADMIN_API, metrics: METRICS_API },
    version: productVersion(),
    nodeUid: randomUUID(),
  };
}

interface Servers {
  readonly public: HttpServer;
  readonly admin: HttpServer;
  readonly metrics: HttpServer;
}

async function listen(
  { api }: StartupConfig,
  services: RestServices,
  opening: AsyncDisposableStack,
): Promise<Servers> {
  const limits: ConnectionLimits = {
    ...DEFAULT_CONNECTION_LIMITS,
    headersMs: api.read_header_timeout.ms,
    idleMs: api.idle_timeout.ms,
    connectionsMax: api.max_connections,
  };
  const open = async (
    port: 'public' | 'admin' | 'metrics',
    routes: typeof PUBLIC_API,
  ): Promise<HttpServer> =>
    opening.adopt(
      await HttpServer.listen({
        port,
        routes,
        address: api[`${port}_interface`],
        limits,
        services,
      }),
      (http) => http.stop(0),
    );
  return {
    public: await open('public', PUBLIC_API),
    admin: await open('admin', ADMIN_API),
    metrics: await open('metrics', METRICS_API),
  };
}
