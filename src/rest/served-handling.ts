import type { IncomingHttpHeaders } from 'node:http';
import type { Collection } from '../database/collection.ts';
import type { Database } from '../database/database.ts';
import type { Log } from '../observability/log.ts';
import type { Reader } from '../principals/access.ts';
import type { Session } from '../principals/sessions.ts';
import type { Holding } from './body-watch.ts';
import type { Exchange } from './exchange.ts';
import type { RestServices } from './rest-services.ts';
import type { AnyHandling, Port } from './route.ts';

/** What is known of a request when its handler begins; the rest follows from the exchange. */
export type HandlingParts = Omit<AnyHandling, 'headers' | 'isHead' | 'cancellation' | 'signal'> & {
  readonly exchange: Exchange;
};

/**
 * What a handler gets: a class, so that only who asks for the signal pays for it. NOTE: a copy of
 * its properties has none.
 */
export class ServedHandling implements AnyHandling {
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly held: Holding;
  readonly headers: IncomingHttpHeaders;
  readonly isHead: boolean;
  readonly port: Port;
  readonly services: RestServices;
  readonly log: Log;
  readonly reader: Reader | undefined;
  readonly session: Session | undefined;
  readonly database: Database | undefined;
  readonly collection: Collection | undefined;
  readonly cancellation: Exchange;

  constructor(parts: HandlingParts) {
    this.params = parts.params;
    this.query = parts.query;
    this.body = parts.body;
    const { request } = parts.exchange;
    this.held = parts.held;
    this.headers = request.headers;
    this.isHead = request.method === 'HEAD';
    this.port = parts.port;
    this.services = parts.services;
    this.log = parts.log;
    this.reader = parts.reader;
    this.session = parts.session;
    this.database = parts.database;
    this.collection = parts.collection;
    this.cancellation = parts.exchange;
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }
}
