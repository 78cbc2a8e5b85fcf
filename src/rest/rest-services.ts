import type { CorsConfig } from '../config/cors-options.ts';
import type { StartupConfig } from '../config/startup-config.ts';
import type { ReadText } from '../config/function-places.ts';
import type { DatabaseRegistry } from '../database/registry.ts';
import type { Reloaded } from '../database/startup-file.ts';
import type { GatewayEvents } from '../events/gateway-events.ts';
import type { GatewayImports } from '../import/gateway-imports.ts';
import type { Audit } from '../observability/audit/audit.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { LogSettings } from '../observability/pino-log.ts';
import type { BackgroundTasks } from '../tasks/background-tasks.ts';
import type { Clock } from '../util/clock.ts';
import type { BodyLimits } from './body-watch.ts';
import type { FeedPace } from './feed-pace.ts';
import type { GzipSessions } from './gzip-session.ts';
import type { Port, Route } from './route.ts';
import type { SharedRows } from './shared-rows.ts';
import type { Ticker } from './ticker.ts';

/** What the routes of all ports work with. */
export interface RestServices {
  readonly registry: DatabaseRegistry;
  readonly tasks: BackgroundTasks;
  readonly events: GatewayEvents;
  readonly imports: GatewayImports;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Undefined: there is no audit log. */
  readonly audit?: Audit | undefined;
  readonly clock: Clock;
  readonly ticker: Ticker;
  readonly pace: FeedPace;
  /** Rows of continuous feeds. */
  readonly lines: SharedRows;
  /** Rows of WebSockets. */
  readonly messages: SharedRows;
  readonly zips: GzipSessions;
  readonly settings: RestSettings;
  /**
   * Reads the start-up file again and serves what it says now. Throws `badRequest` naming every
   * mistake, with nothing changed.
   */
  readonly reload: () => Promise<Reloaded>;
  /** Reads functions that a configuration names by URL. */
  readonly readFunction: ReadText;
  /** What the gateway started with, for those who ask. */
  readonly startup: StartupConfig;
  /** What may change while it runs. */
  readonly logSettings: LogSettings;
  /** The tables of the ports, for their description. */
  readonly apis: Readonly<Record<Port, readonly Route[]>>;
  /** Of this product. */
  readonly version: string;
  /** Identifies this process. */
  readonly nodeUid: string;
}

export interface RestSettings {
  /** Whether JSON is indented where the query does not say. */
  readonly pretty: boolean;
  readonly compressResponses: boolean;
  readonly hideProductVersion: boolean;
  /** `api.cors`; undefined where it is not configured. */
  readonly cors?: CorsConfig | undefined;
  readonly bodyLimits: BodyLimits;
  /** The longest body of a request with many documents, bytes, after decompression. */
  readonly requestBytesMax: number;
  /** The longest wait between two heartbeats of a feed, ms; 0: as the client says. */
  readonly heartbeatMsMax: number;
}
