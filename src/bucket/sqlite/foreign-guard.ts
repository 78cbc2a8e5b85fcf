import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../util/clock.ts';
import type { Reader } from './reader.ts';
import type { WriterThread } from './writer-thread.ts';

/** Between two steps of a recheck, for others who write. */
const STEP_EVERY_MS = 20;
/** After a step that failed: the store is locked, or worse. */
const RETRY_AFTER_MS = 2000;

interface Guarded {
  readonly reader: Reader;
  readonly writer: WriterThread;
  readonly clock: Clock;
  readonly log: Log;
  /** The queue may have grown. */
  readonly queued: () => void;
}

/**
 * Sees to it that no foreign write goes past the queue for long: looks whether the triggers that
 * fill it are there, has them made again where they are not, and drives the recheck of all
 * documents that this takes. Every process on the file does it; the steps of a recheck are shared.
 */
export class ForeignGuard implements Disposable {
  readonly #guarded: Guarded;
  readonly #closing = new AbortController();
  #schemaVersion = 0;
  #running = false;

  constructor(guarded: Guarded) {
    this.#guarded = guarded;
  }

  /** To be called at opening, and every second or so; cheap as long as nothing was dropped. */
  check(): void {
    if (this.#running || this.#closing.signal.aborted) return;
    try {
      const { foreign } = this.#guarded.reader;
      const version = foreign.schemaVersion();
      if (version === this.#schemaVersion) return;
      const isMissing = foreign.missing().length > 0;
      if (isMissing || foreign.recheck() !== undefined) void this.#restore(isMissing);
      else this.#schemaVersion = version;
    } catch {
      // NOTE: what is wrong with the file is told by those who read it; it is looked at again.
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #restore(isMissing: boolean): Promise<void> {
    const { writer, clock, queued } = this.#guarded;
    const { signal } = this.#closing;
    this.#running = true;
    try {
      if (isMissing) await writer.mendForeignWrites();
      while (!signal.aborted && (await writer.recheckForeignWrites())) {
        queued();
        await clock.sleep(STEP_EVERY_MS, signal);
      }
      queued();
    } catch (cause) {
      if (!signal.aborted) {
        this.#guarded.log.warn('the foreign writes cannot be rechecked; trying again', { cause });
        await clock.sleep(RETRY_AFTER_MS, signal);
      }
    } finally {
      this.#running = false;
    }
  }
}
