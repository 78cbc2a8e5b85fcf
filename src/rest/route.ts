import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Collection } from '../database/collection.ts';
import type { Database } from '../database/database.ts';
import type { Log } from '../observability/log.ts';
import type { Reader } from '../principals/access.ts';
import type { Session } from '../principals/sessions.ts';
import type { Awaitable } from '../util/awaitable.ts';
import type { Cancellation } from '../util/cancellation.ts';
import type { ErrorTag } from '../util/errors.ts';
import type { Answer } from './answer.ts';
import type { Told } from './audited-answer.ts';
import type { BodyReader } from './body.ts';
import type { Holding } from './body-watch.ts';
import type { Content } from './content.ts';
import type { Parameters } from './path-parameters.ts';
import type { RestServices } from './rest-services.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** Which of the ports a request came in by. */
export type Port = 'public' | 'admin' | 'metrics';

/**
 * An endpoint: a row of data and a function. Dispatch, 405 and `Allow`, OPTIONS, HEAD,
 * authentication, 503 while offline and the log line follow from the data.
 *
 * A path that begins with `/{db}` or `/{keyspace}` serves a database, the latter one of its
 * collections. What a request names and does not exist is told before `handle` is called.
 */
export interface RouteSpec<Path extends string, Access extends AccessKind, Query, Body> {
  readonly method: Method;
  readonly path: Path;
  readonly about: string;
  /**
   * `reader`: authenticated on the public port, the administrator on the admin port. `public`:
   * nobody is asked who they are. `admin`: stands in the admin port's table alone.
   */
  readonly access: Access;
  /** Whether it works while the database is not online; else it is 503. */
  readonly whileOffline?: boolean;
  /**
   * With `/{keyspace}` and `whileOffline`: a database without a collection means all that it has,
   * not the default one.
   */
  readonly ofAll?: true;
  readonly query: z.ZodType<Query>;
  readonly body: BodyReader<Body>;
  /** For the description of the API: what is answered where all goes well, by status. */
  readonly answers: Answers;
  /** The same: errors beside those that every such route may have. */
  readonly refuses?: readonly ErrorTag[];
  handle(handling: Handling<Path, Access, Query, Body>): Awaitable<Answer>;
  /** What the audit log is told where all went well; asked only where there is one. */
  audit?(handling: Handling<Path, Access, Query, Body>, answer: Answer): readonly Told[];
}

export type AccessKind = 'reader' | 'public' | 'admin';

export type Answers = Readonly<Record<number, Content>>;

/** What `handle` gets. */
export interface Handling<Path extends string, Access extends AccessKind, Query, Body> {
  readonly params: Parameters<Path>;
  readonly query: Query;
  readonly body: Body;
  /** Counts what the request keeps in memory; its body is counted already. */
  readonly held: Holding;
  readonly headers: IncomingHttpHeaders;
  /** Whether the head of the answer is all that is wanted. */
  readonly isHead: boolean;
  readonly port: Port;
  readonly services: RestServices;
  readonly log: Log;
  readonly reader: Access extends 'public' ? undefined : Reader;
  /** By which the reader was let in, where it was one. */
  readonly session: Session | undefined;
  readonly database: Path extends `/{${'db' | 'keyspace'}}${string}` ? Database : undefined;
  /** Not there for a route that works while offline, which finds its settings in `database`. */
  readonly collection: Path extends `/{keyspace}${string}` ? Collection : undefined;
  /** Aborts when the client goes away. NOTE: who asks makes it. */
  readonly signal: AbortSignal;
  /** The same, for who may never ask. */
  readonly cancellation: Cancellation;
}

/** A route of any path, as the tables and the server see it. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly about: string;
  readonly access: AccessKind;
  readonly whileOffline: boolean;
  readonly ofAll?: true;
  readonly query: z.ZodType;
  readonly body: BodyReader<unknown>;
  readonly answers: Answers;
  readonly refuses?: readonly ErrorTag[];
  readonly handle: (handling: AnyHandling) => Awaitable<Answer>;
  readonly audit: (handling: AnyHandling, answer: Answer) => readonly Told[];
}

/** A handling before its type says what the path and the access promise. */
export type AnyHandling = Omit<
  Handling<string, AccessKind, unknown, unknown>,
  'database' | 'collection' | 'reader'
> & {
  readonly database: Database | undefined;
  readonly collection: Collection | undefined;
  readonly reader: Reader | undefined;
};

/** Makes a row of a table. */
export function route<Path extends string, Access extends AccessKind, Query, Body>(
  spec: RouteSpec<Path, Access, Query, Body>,
): Route {
  return {
    ...spec,
    whileOffline: spec.whileOffline ?? false,
    // The server fills in what the path and the access promise: see `serve-request.ts`.
    handle: (handling) => spec.handle(handling as Handling<Path, Access, Query, Body>),
    audit: (handling, answer) =>
      spec.audit?.(handling as Handling<Path, Access, Query, Body>, answer) ?? [],
  };
}
