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
  | 'Javascript'
  | 'Sync';

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
