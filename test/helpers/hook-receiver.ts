import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { until } from './until.ts';

/** A request of the gateway, as a receiver of events has it. */
export interface Delivery {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** What it is answered: a status, or whatever is done with the response. */
export type HookAnswer = number | ((response: ServerResponse) => void);

/** A receiver of events; it keeps what it accepted, in order, and how often it was asked. */
export class HookReceiver implements AsyncDisposable {
  readonly accepted: Delivery[] = [];
  /** The requests that came, accepted or not. */
  asked = 0;
  /** What to answer; it accepts everything unless told otherwise. */
  answer: (delivery: Delivery) => HookAnswer | Promise<HookAnswer> = () => 200;
  #server: Server;
  readonly #port: number;

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    server.on('request', (...both) => void this.#take(...both));
  }

  static async start(): Promise<HookReceiver> {
    return new HookReceiver(await listening(0));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** What documents, in order: `id rev`. */
  get documents(): readonly string[] {
    return this.accepted.map(({ json }) => `${String(json['_id'])} ${String(json['_rev'])}`);
  }

  /** Resolves when so many were accepted. */
  async until(count: number, withinMs = 10_000): Promise<void> {
    await until(
      `${count} events (${this.accepted.length} came)`,
      () => this.accepted.length >= count || undefined,
      { withinMs },
    );
  }

  get isOpen(): boolean {
    return this.#server.listening;
  }

  /** Cuts every connection and takes none, until it is opened again. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async reopen(): Promise<void> {
    this.#server = await listening(this.#port);
    this.#server.on('request', (...both) => void this.#take(...both));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOpen) await this.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked += 1;
    response.on('error', () => undefined);
    // What is cut off in the middle was never received.
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    const { headers, url: path = '' } = request;
    const json = JSON.parse(body) as Delivery['json'];
    const delivery = { path, headers, body, json };
    const answer = await this.answer(delivery);
    if (typeof answer !== 'number') {
      answer(response);
      return;
    }
    if (answer < 300) this.accepted.push(delivery);
    response.writeHead(answer).end();
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}
