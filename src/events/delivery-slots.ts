import { WorkLimit } from '../principals/work-limit.ts';

/** Bodies of a database's events that are in memory at a time; one alone may be larger. */
const CHARS_MAX = 32 * 1024 * 1024;

/**
 * How much one handler does at once: requests, and what they keep in memory. Each has a share of
 * the database's, so that a receiver that hangs does not keep the others waiting.
 */
export class DeliverySlots {
  readonly #requests: WorkLimit;
  readonly #charsMax: number;
  /** Bodies are brought into memory one after the other, or all would find room. */
  readonly #loading = new WorkLimit({ runningMax: 1, waitingMax: Number.POSITIVE_INFINITY });
  #chars = 0;
  #room: (() => void) | undefined;

  constructor({
    requestsMax,
    sharedBy,
  }: {
    readonly requestsMax: number;
    readonly sharedBy: number;
  }) {
    this.#requests = new WorkLimit({
      runningMax: Math.ceil(requestsMax / sharedBy),
      waitingMax: Number.POSITIVE_INFINITY,
    });
    this.#charsMax = CHARS_MAX / sharedBy;
  }

  /**
   * Loads a text and works with it, when it is its turn and there is room; no work where it is
   * undefined. Throws the reason of `signal` where that aborts before.
   */
  async run<R>(
    load: () => Promise<string | undefined>,
    work: (text: string) => Promise<R>,
    signal: AbortSignal,
  ): Promise<R | undefined> {
    return this.#requests.run(async () => {
      const text = await this.#loading.run(async () => {
        while (this.#chars >= this.#charsMax)
          await new Promise<void>((resolve) => (this.#room = resolve));
        const loaded = await load();
        this.#chars += loaded?.length ?? 0;
        return loaded;
      }, signal);
      if (text === undefined) return undefined;
      try {
        return await work(text);
      } finally {
        this.#chars -= text.length;
        this.#room?.();
      }
    }, signal);
  }
}
