export type LogLevel = 'none' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Sync Gateway's log keys (`admin.md` §13) that this product uses. */
export type LogKey =
  | 'Admin'
  | 'Access'
  | 'Auth'
  | 'Bucket'
  | 'Cache'
  | 'Changes'
  | 'Config'
  | 'CRUD'
  | 'Events'
  | 'HTTP'
  | 'HTTP+'
  | 'Import'
  | 'Import+'
  | 'Javascript'
  | 'SGCluster'
  | 'Sync';

/** All of the reference's, each of which may stand with a `+`: more of the same. `*`: all. */
const REFERENCE_KEYS = `Admin Access Auth Bucket Cache Changes Config CRUD DCP Diagnostic Events gocb
  HTTP Import Javascript Migrate Query Replicate SGCluster Sync SyncMsg VV WS WSFrame Walrus`;

const KNOWN_KEYS: ReadonlySet<string> = new Set(
  REFERENCE_KEYS.split(/\s+/).flatMap((key) => [key, `${key}+`]),
);

/** Whether it is a log key of the reference, of which this product may or may not have lines. */
export function isLogKey(key: string): boolean {
  return key === '*' || KNOWN_KEYS.has(key);
}

export type LogFields = Readonly<Record<string, unknown>>;

export type LogLine = (message: string, fields?: LogFields) => void;

/**
 * A logger that grows fields on the way down. Messages are constant text, values are fields. A
 * level that is off is undefined, so that `log.debug?.('…', { … })` costs nothing.
 */
export interface Log {
  readonly error: LogLine;
  readonly warn: LogLine;
  readonly info: LogLine | undefined;
  readonly debug: LogLine | undefined;
  readonly trace: LogLine | undefined;
  with(fields: LogFields & { readonly key?: LogKey; readonly db?: string }): Log;
}

/** A log that goes nowhere, for tests and tools. */
export const silentLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: undefined,
  debug: undefined,
  trace: undefined,
  with: () => silentLog,
};
