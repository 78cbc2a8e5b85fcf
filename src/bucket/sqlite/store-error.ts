import { GatewayError, isGatewayError, type ErrorTag } from '../../util/errors.ts';

/** SQLite's result codes that callers are told of in words; the low byte of an extended code. */
const REASONS: Readonly<Record<number, readonly [ErrorTag, string]>> = {
  5: ['unavailable', 'the bucket is locked by another process'],
  6: ['unavailable', 'the bucket is locked'],
  8: ['unavailable', 'the bucket is read-only'],
  10: ['unavailable', 'the disk of the bucket fails'],
  11: ['corrupt', 'the file of the bucket is damaged'],
  13: ['unavailable', 'the disk of the bucket is full'],
  14: ['unavailable', 'the file of the bucket cannot be opened'],
  18: ['tooLarge', 'a value is larger than the bucket can hold'],
  26: ['unavailable', 'the file is not an SQLite database'],
};

const FULL = 13;
/** SQLITE_IOERR_SHMSIZE: how a full disk shows when a file is opened on it. */
const SHARED_MEMORY_DOES_NOT_FIT = 4874;

/** Codes of a store that fails for everyone; any other is the fault of one call. */
const STORE_WIDE: readonly number[] = [5, 6, 8, 10, 11, 13, 14, 26];

const BUSY: readonly number[] = [5, 6];

/** What a failure of SQLite means to a caller; others (bugs) come back as they are. */
export function storeError(cause: unknown): unknown {
  const code = sqliteCode(cause);
  if (isGatewayError(cause) || code === undefined) return cause;
  const [tag, reason] = REASONS[code] ?? ['unavailable', 'the bucket fails'];
  return new GatewayError(tag, reason, { cause, details: { sqlite: code } });
}

/** Whether the whole store fails (full disk, lock, damage, no such file), not the one call. */
export function isStoreWide(cause: unknown): boolean {
  if (isMoved(cause)) return true;
  const code = sqliteCode(cause);
  return code !== undefined && STORE_WIDE.includes(code);
}

const MOVED = { moved: true } as const;

/** The name of the bucket's file leads to another file by now, or to none. */
export function movedError(reason: string): GatewayError {
  return new GatewayError('unavailable', reason, { details: MOVED });
}

export function isMoved(cause: unknown): boolean {
  return cause instanceof GatewayError && cause.details['moved'] === true;
}

/** Whether a commit failed because of another process's lock, as it is told to callers. */
export function isLocked(cause: unknown): boolean {
  return cause instanceof GatewayError && BUSY.includes(Number(cause.details['sqlite']));
}

/** Whether another process holds a lock: trying again may help. */
export function isBusy(cause: unknown): boolean {
  const code = sqliteCode(cause);
  return code !== undefined && BUSY.includes(code);
}

function sqliteCode(cause: unknown): number | undefined {
  if (!(cause instanceof Error) || !('errcode' in cause)) return undefined;
  if (cause.errcode === SHARED_MEMORY_DOES_NOT_FIT) return FULL;
  return typeof cause.errcode === 'number' ? cause.errcode & 0xff : undefined;
}
