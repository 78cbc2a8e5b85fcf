import { randomUUID } from 'node:crypto';
import { openBucketServer } from './bucket/open-bucket.ts';
import { auditSettings } from './config/audit-settings.ts';
import { objectAt } from './config/check-table.ts';
import { productVersion } from './config/product-version.ts';
import { functionReader } from './config/read-function.ts';
import type { StartupConfig } from './config/startup-config.ts';
import { DatabaseRegistry } from './database/registry.ts';
import type { ReadStartupFile } from './database/startup-file.ts';
import { StartupFile } from './database/startup-file.ts';
import { GatewayEvents } from './events/gateway-events.ts';
import { GatewayImports } from './import/gateway-imports.ts';
import { Audit } from './observability/audit/audit.ts';
import type { AuditSettings } from './observability/audit/audit.ts';
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
import { BackgroundTasks } from './tasks/background-tasks.ts';
import type { Clock } from './util/clock.ts';
import { GatewayError } from './util/errors.ts';
import { OutgoingRequests } from './util/outgoing-requests.ts';

/** A running gateway. Disposal stops it at once; `stop` lets open requests finish. */
export interface Gateway extends AsyncDisposable {
  readonly urls: { readonly public: string; readonly admin: string; readonly metrics: string };
  /** Serves what the start-up file says now. Throws as `StartupFile.reload`. */
  reload(): Promise<unknown>;
  /**
   * Takes no new requests, ends feeds, gives open requests `drainMs` to finish, closes everything.
   */
  stop(drainMs: number): Promise<void>;
}

export interface GatewayOptions {
  readonly log: ProcessLog;
  readonly clock: Clock;
  /** Where the configuration comes from; undefined: from no file, so that none is read again. */
  readonly file?: {
    readonly read: ReadStartupFile;
    /** Where functions are looked for that it names by their files, in this order. */
    readonly folders: readonly string[];
  };
}

/**
 * The composition root: opens everything in reading order, closes it in reverse; where something
 * fails, what is open by then is closed. Throws `badRequest` for a wrong `bootstrap.server`,
 * `unavailable` where the buckets cannot be reached, and the system's error for an address in use.
 */
export async function startGateway(
  config: StartupConfig,
  { log, clock, file }: GatewayOptions,
): Promise<Gateway> {
  await using opening = new AsyncDisposableStack();
  const metrics = createMetrics({ clock, lines: log.settings.lines });
  const audit = openAudit(config, { metrics, clock, log });
  if (audit !== undefined) opening.use(audit);
  const server = opening.use(await openBucketServer(config.bootstrap.server, { log, clock }));
  const sandbox = opening.use(await startSandbox({ log, clock }));
  const passwords = new Passwords({ cost: config.auth.bcrypt_cost });
  const { variables } = config;
  const { group_id: group, config_update_frequency: followEvery } = config.bootstrap;
  const outgoing = opening.use(
    new OutgoingRequests({ clock, allowedHosts: config.outgoing.allowed_hosts }),
  );
  const nodeUid = randomUUID();
  const parts = { sandbox, clock, log, outgoing };
  const events = opening.use(new GatewayEvents({ ...parts, config, node: nodeUid }));
  const imports = new GatewayImports({ clock });
  const companions = [...(audit === undefined ? [] : [audit]), events, imports];
  const shared = { ...parts, passwords, metrics, audit, variables, group, companions };
  const registry = opening.use(
    await DatabaseRegistry.open(shared, server, {
      isLocal: config.databases !== undefined,
      followEveryMs: followEvery.ms,
    }),
  );
  const startupFile = await StartupFile.open({
    started: config,
    readFile: file?.read,
    registry,
    checking: { sandbox, read: functionReader(outgoing, file?.folders), variables },
    logSettings: log.settings,
    log,
  });
  const { sample } = config;
  if (sample !== undefined && registry.get(sample.name) === undefined)
    await registry.create(sample.name, sample.config);
  const tasks = opening.use(new BackgroundTasks({ registry, sandbox, log, clock }));
  const services = restServices(config, {
    registry,
    tasks,
    log,
    logSettings: log.settings,
    metrics,
    audit,
    clock,
    events,
    imports,
    nodeUid,
    reload: () => startupFile.reload(),
    readFunction: functionReader(outgoing),
  });
  const servers = await listen(config, services, opening);
  audit?.tell('gatewayStarted', startFields(config, services.version));
  const open = opening.move();
  return {
    urls: { public: servers.public.url, admin: servers.admin.url, metrics: servers.metrics.url },
    reload: () => startupFile.reload(),
    stop: async (drainMs) => {
      const { public: clients, admin, metrics: figures } = servers;
      await Promise.all([clients, admin, figures].map((http) => http.stop(drainMs)));
      await open.disposeAsync();
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Throws `badRequest` where its file cannot be opened. */
function openAudit(
  { logging }: StartupConfig,
  parts: Pick<AuditSettings, 'metrics' | 'clock' | 'log'>,
): Audit | undefined {
  const settings = auditSettings(logging.audit);
  if (settings === undefined) return undefined;
  try {
    return new Audit({ ...settings, ...parts });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError('badRequest', `logging.audit.audit_log_file_path: ${why}`, { cause });
  }
}

/** What the audit log tells of a start. */
function startFields(
  { api, auth, logging, bootstrap, ...rest }: StartupConfig,
  version: string,
): Readonly<Record<string, unknown>> {
  return {
    sg_version: version,
    admin_interface_authentication: api.admin_interface_authentication,
    metrics_interface_authentication: api.metrics_interface_authentication,
    bcrypt_cost: auth.bcrypt_cost,
    disable_persistent_config: rest.disable_persistent_config || rest.databases !== undefined,
    log_file_path: logging.log_file_path ?? '',
    use_tls_server: bootstrap.use_tls_server ?? false,
    server_tls_skip_verify: bootstrap.server_tls_skip_verify ?? false,
  };
}

function restServices(
  startup: StartupConfig,
  parts: Pick<
    RestServices,
    | 'registry'
    | 'tasks'
    | 'events'
    | 'imports'
    | 'log'
    | 'logSettings'
    | 'metrics'
    | 'audit'
    | 'clock'
    | 'nodeUid'
    | 'reload'
    | 'readFunction'
  >,
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
