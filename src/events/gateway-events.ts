import { productVersion } from '../config/product-version.ts';
import type { StartupConfig } from '../config/startup-config.ts';
import type { DatabaseCompanion, ServedBy, ServingDatabase } from '../database/companion.ts';
import type { StateChange } from '../database/database-states.ts';
import type { Log } from '../observability/log.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import type { OutgoingRequests } from '../util/outgoing-requests.ts';
import { DatabaseEvents } from './database-events.ts';
import { ServerEvents } from './server-events.ts';
import { StateDelivery } from './state-delivery.ts';
import { Webhooks } from './webhook.ts';

export interface GatewayEventsOptions {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly log: Log;
  readonly outgoing: OutgoingRequests;
  /** Who is told of the server's events, and where the admin interface is. */
  readonly config: Pick<StartupConfig, 'events' | 'api'>;
  /** Identifies this process. */
  readonly node: string;
}

/** What is on its way when the gateway stops may take so long. */
const GRACE_MS = 2000;

/**
 * The events of a gateway: hangs on to each database, for the handlers of its configuration, and
 * tells the receivers of the start-up configuration what happens to the databases.
 */
export class GatewayEvents implements DatabaseCompanion, AsyncDisposable {
  readonly #options: GatewayEventsOptions;
  readonly #webhooks: Webhooks;
  readonly #states: StateDelivery;
  readonly #server: ServerEvents;
  readonly #abort = new AbortController();
  /** Of each database the newest opening that serves. */
  readonly #serving = new Map<string, DatabaseEvents>();
  /** Those that receivers believe to be online. */
  readonly #online = new Set<string>();

  constructor(options: GatewayEventsOptions) {
    this.#options = options;
    const { clock, outgoing, sandbox, log, config } = options;
    const { signal } = this.#abort;
    const userAgent = `Tidegate/${productVersion()}`;
    const webhooks = new Webhooks({ outgoing, clock, userAgent });
    this.#webhooks = webhooks;
    this.#states = new StateDelivery({ sandbox, webhooks, clock, signal });
    this.#server = new ServerEvents({
      webhooks,
      configs: config.events.webhooks,
      clock,
      log,
      signal,
    });
  }

  /** Of a database that serves; undefined while it does not. */
  of(database: string): DatabaseEvents | undefined {
    return this.#serving.get(database);
  }

  async start(opening: ServingDatabase): Promise<AsyncDisposable> {
    const { sandbox, clock } = this.#options;
    const { name, closing } = opening;
    const services = { sandbox, clock, webhooks: this.#webhooks };
    const events = await DatabaseEvents.start(opening, services);
    this.#serving.set(name, events);
    const forget = (): void => {
      if (this.#serving.get(name) === events) this.#serving.delete(name);
    };
    closing.addEventListener('abort', forget, { once: true });
    return {
      [Symbol.asyncDispose]: () => {
        forget();
        return events[Symbol.asyncDispose]();
      },
    };
  }

  stateChanged(database: ServedBy, { from, to, reason, inTrouble }: StateChange): void {
    if (to !== 'Online' && to !== 'Offline') return;
    const { name } = database;
    const state = to === 'Online' ? 'online' : 'offline';
    const localtime = this.#localTime();
    const { host, port } = this.#options.config.api.admin_interface;
    const admininterface = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const told = { dbname: name, admininterface, state, reason, localtime };
    this.#states.tell(database, JSON.stringify(told));
    const { node } = this.#options;
    const payload = { node, dbname: name, state, reason, localtime };
    if (to === 'Online') this.#online.add(name);
    else this.#online.delete(name);
    if (to === 'Offline' && inTrouble && from === 'Stopping')
      this.#server.tell('feed_lost', payload);
    this.#server.tell(to === 'Online' ? 'db_online' : 'db_offline', payload);
  }

  configured({ name, version }: ServedBy): void {
    const { node } = this.#options;
    const localtime = this.#localTime();
    this.#server.tell('config_changed', { node, dbname: name, version, localtime });
  }

  forgotten(name: string): void {
    if (!this.#online.delete(name)) return;
    const { node } = this.#options;
    const reason = 'it is not served any more';
    const localtime = this.#localTime();
    this.#server.tell('db_offline', { node, dbname: name, state: 'offline', reason, localtime });
  }

  /** Lets what is on its way arrive, for a while. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new AbortController();
    const { clock } = this.#options;
    void clock.sleep(GRACE_MS, ended.signal).then(() => this.#abort.abort());
    await Promise.all([this.#states.idle(), this.#server.idle()]);
    ended.abort();
  }

  #localTime(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }
}
