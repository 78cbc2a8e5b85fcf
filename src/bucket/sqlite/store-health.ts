import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';
import { GatewayError, isGatewayError } from '../../util/errors.ts';
import type { BucketTrouble } from '../trouble.ts';
import type { BucketFile } from './bucket-file.ts';
import { isBusy, isLocked, isMoved, storeError } from './store-error.ts';

/** What is open is read from memory for long: the file itself is looked into so often. */
const INSPECT_EVERY_MS = 5000;

interface Inspected {
  readonly file: BucketFile;
  readonly uuid: string;
  /** How long a write waits for a lock before it fails. */
  readonly busyTimeoutMs: number;
}

/**
 * Notes what goes wrong with a bucket's file. Reads and writes tell what they meet; beside them the
 * file is inspected now and then: a connection that is open notices late, or never, that its file
 * was taken away.
 */
export class StoreHealth {
  readonly #inspected: Inspected;
  readonly #clock: Clock;
  readonly #log: Log;
  #nextInspectionMs = 0;
  #unreadable: BucketTrouble | undefined;
  #locked: BucketTrouble | undefined;

  constructor(inspected: Inspected, options: { readonly clock: Clock; readonly log: Log }) {
    this.#inspected = inspected;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get trouble(): BucketTrouble | undefined {
    return this.#unreadable ?? this.#locked;
  }

  /** To be called every second or so. Whether the file can be read. */
  check(): boolean {
    const nowMs = this.#clock.now();
    if (this.#unreadable === undefined && nowMs < this.#nextInspectionMs) {
      if (this.#inspected.file.isInPlace()) return true;
    }
    this.#nextInspectionMs = nowMs + INSPECT_EVERY_MS;
    return this.#inspect();
  }

  /** Throws what is wrong with the file, as long as it is. */
  requireReadable(): void {
    if (this.#unreadable === undefined || this.#inspect()) return;
    throw new GatewayError('unavailable', this.#unreadable.reason);
  }

  /** The history could not be read. */
  historyFailed(cause: unknown): void {
    if (!isBusy(cause)) this.#found(storeError(cause));
  }

  /** A write: what it gives, and what that says of the file. */
  async ofWrite<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await work;
      this.written();
      return result;
    } catch (cause) {
      this.writeFailed(cause);
      throw cause;
    }
  }

  /** A write was made. */
  written(): void {
    if (this.#locked !== undefined) this.#unlocked(this.#locked);
  }

  /** A write could not be made. */
  writeFailed(cause: unknown): void {
    if (isMoved(cause)) this.#found(cause);
    else if (isLocked(cause)) this.#lockedOut(cause);
  }

  #inspect(): boolean {
    try {
      this.#inspected.file.inspect(this.#inspected.uuid);
      this.#unreadable = undefined;
      return true;
    } catch (cause) {
      this.#found(cause);
      return false;
    }
  }

  #found(cause: unknown): void {
    const kind = isMoved(cause) ? 'moved' : 'unreadable';
    const sinceMs = this.#unreadable?.sinceMs ?? this.#clock.now();
    this.#unreadable = { kind, reason: reasonOf(cause), sinceMs };
  }

  #lockedOut(cause: unknown): void {
    if (this.#locked !== undefined) return;
    const sinceMs = this.#clock.now() - this.#inspected.busyTimeoutMs;
    this.#locked = { kind: 'locked', reason: reasonOf(cause), sinceMs };
    this.#log.warn('the bucket is locked by another process: writes fail, reads go on');
  }

  #unlocked({ sinceMs }: BucketTrouble): void {
    this.#locked = undefined;
    this.#log.warn('the bucket can be written again', { lockedMs: this.#clock.now() - sinceMs });
  }
}

function reasonOf(cause: unknown): string {
  return isGatewayError(cause) ? cause.message : 'the file of the bucket cannot be read';
}
