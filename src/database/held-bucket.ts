import { GatewayError, isGatewayError } from '../util/errors.ts';
import type { OpenBucket, OpenBuckets } from './open-buckets.ts';

/**
 * The share that a database has of its bucket. It may be given back while the database is offline,
 * and is then taken again by the first who needs it.
 */
export class HeldBucket {
  readonly name: string;
  readonly #buckets: OpenBuckets;
  #open: OpenBucket | undefined;
  #doing: Promise<unknown> = Promise.resolve();

  constructor(buckets: OpenBuckets, name: string) {
    this.#buckets = buckets;
    this.name = name;
  }

  /** Undefined while it is given back, or could not be taken. */
  get now(): OpenBucket | undefined {
    return this.#open;
  }

  /** Throws as `OpenBuckets.acquire`, and `unavailable` where there is no such bucket. */
  async take(): Promise<OpenBucket> {
    return this.#inTurn(() => this.#take());
  }

  /** Disconnects where no other database holds it, and connects again. Throws as `take`. */
  async takeAnew(): Promise<OpenBucket> {
    return this.#inTurn(async () => {
      const before = this.#open;
      if (before?.bucket.trouble?.kind === 'moved') {
        // NOTE: given up only for another one: of a file without a name, whoever holds it open is
        // the last to be able to read it.
        this.#open = await this.#acquire();
        await this.#buckets.release(before);
        return this.#open;
      }
      await this.#release();
      return this.#take();
    });
  }

  async release(): Promise<void> {
    await this.#inTurn(() => this.#release());
  }

  async #take(): Promise<OpenBucket> {
    this.#open ??= await this.#acquire();
    return this.#open;
  }

  async #release(): Promise<void> {
    const before = this.#open;
    this.#open = undefined;
    if (before !== undefined) await this.#buckets.release(before);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#doing.then(work, work);
    this.#doing = done;
    return done;
  }

  async #acquire(): Promise<OpenBucket> {
    try {
      return await this.#buckets.acquire(this.name, { create: false });
    } catch (cause) {
      // Its database is there, and serves when the bucket is there again.
      if (!isGatewayError(cause, 'missing')) throw cause;
      throw new GatewayError('unavailable', cause.message, { cause });
    }
  }
}
