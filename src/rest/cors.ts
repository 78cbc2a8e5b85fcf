import type { IncomingHttpHeaders } from 'node:http';
import type { CorsConfig } from '../config/cors-options.ts';
import type { Database } from '../database/database.ts';
import { GatewayError } from '../util/errors.ts';
import type { Exchange } from './exchange.ts';
import type { RestServices } from './rest-services.ts';
import type { Port } from './route.ts';

/**
 * Cross-origin requests of browsers, on the public port: `Access-Control-…` as the reference sends
 * them (recorded in auth/cors and http/cors-per-database). The rules of a database replace the
 * server's. What an origin may not do is up to the browser, but for logins: those are refused here,
 * for a foreign page must not make a browser log in or out.
 */
export interface CorsTarget {
  readonly services: RestServices;
  /** The one that the request names, where it is served. */
  readonly database: Database | undefined;
  /** The path of the route. */
  readonly path: string;
  /** For a preflight: the methods that there are. */
  readonly allow?: string;
}

/** Gives the exchange the headers that go with whatever its answer will be. */
export function applyCors(exchange: Exchange, target: CorsTarget): void {
  const rules = rulesOf(target);
  if (rules === undefined) return;
  exchange.setHeader('Vary', 'Origin');
  const { origin } = exchange.request.headers;
  if (origin === undefined) return;
  const allowed = matching(allowedOrigins(rules, target.path), origin);
  // As recorded: an origin that is not allowed is told so by an empty value.
  exchange.setHeader('Access-Control-Allow-Origin', allowed ?? '');
  if (allowed === undefined) return;
  exchange.setHeader('Access-Control-Allow-Credentials', 'true');
  if (rules.headers.length > 0)
    exchange.setHeader('Access-Control-Allow-Headers', rules.headers.join(', '));
  if (target.allow === undefined) return;
  exchange.setHeader('Access-Control-Allow-Methods', target.allow);
  if (rules.max_age > 0) exchange.setHeader('Access-Control-Max-Age', String(rules.max_age));
}

/**
 * Throws `badRequest` where a page of another origin, which is no `login_origin`, wants to log in
 * or out. Who sends no `Origin` is no page.
 */
export function requireLoginOrigin(
  { origin, host }: IncomingHttpHeaders,
  target: Pick<CorsTarget, 'services' | 'database'>,
): void {
  if (origin === undefined || isOwn(origin, host)) return;
  const logins = rulesOf(target)?.login_origin ?? [];
  if (matching(logins, origin) === undefined)
    throw new GatewayError('badRequest', 'pages of this origin may not log in: see login_origin');
}

/**
 * Throws `forbidden` where a page of another origin opens a WebSocket in the name of its visitor:
 * browsers ask no leave for that, so it is refused here, on the admin port too. Not where the
 * request says itself who sends it, which pages cannot.
 */
export function requireSocketOrigin(
  { origin, host, authorization }: IncomingHttpHeaders,
  port: Port,
  target: Pick<CorsTarget, 'services' | 'database'>,
): void {
  if (origin === undefined || isOwn(origin, host)) return;
  if (port === 'public') {
    if (authorization !== undefined) return;
    if (matching(rulesOf(target)?.origin ?? [], origin) !== undefined) return;
  }
  throw new GatewayError('forbidden', 'pages of this origin may not open a WebSocket: see cors');
}

type Rules = CorsConfig | undefined;

function rulesOf({ services, database }: Pick<CorsTarget, 'services' | 'database'>): Rules {
  if (database?.parsedConfig.given['cors'] !== undefined) return database.config.cors;
  return services.settings.cors;
}

/** Pages that may log in may read what their login was answered. */
function allowedOrigins(rules: CorsConfig, path: string): readonly string[] {
  return path.endsWith('/_session') ? [...rules.login_origin, ...rules.origin] : rules.origin;
}

/**
 * What an allowed origin is told: itself, or `*`, with which browsers send no credentials;
 * undefined for others.
 */
function matching(allowed: readonly string[], origin: string): string | undefined {
  const sent = origin.toLowerCase();
  if (allowed.some((one) => one.toLowerCase() === sent)) return origin;
  return allowed.includes('*') ? '*' : undefined;
}

function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && /^https?:\/\/(.*)$/i.exec(origin)?.[1] === host;
}
